namespace Eyrie.Cli;

/// <summary>Something the user can act on; printed without a stack trace, exit code 1.</summary>
public sealed class Failure(string message) : Exception(message);
