using Xunit;

namespace Eyrie.Controllers.Tests;

/// <summary>Simulations and properties over many inputs: each takes every core for itself, so they run after all others, one by one, and not beside running actors that have a machine's time to come to rest in.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
