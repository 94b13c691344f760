using Xunit;

namespace Eyrie.Controllers.Tests.Running;

/// <summary>Tests of running actors that have a machine's time to come to rest in: they run after all others, one by one, not beside simulations that take every core.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
