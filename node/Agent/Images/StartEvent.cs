namespace Eyrie.Node;

/// <summary>Something that people may want to know of a start while it is under way.</summary>
/// <param name="Series">What further events of the reason replace this one; empty: those with the same message, which are counted.</param>
public sealed record StartEvent(string Reason, string Message, string Series = "");
