using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>What a controller wants done. Values, so that a test compares them.</summary>
public abstract record WorkloadAction;

public sealed record CreateObject(ResourceKind Kind, JsonObject Document) : WorkloadAction;
public sealed record DeleteObject(ResourceKind Kind, ObjectName Name, string Uid) : WorkloadAction;
public sealed record UpdateObject(ResourceKind Kind, JsonObject Document) : WorkloadAction;
public sealed record UpdateObjectStatus(ResourceKind Kind, JsonObject Document) : WorkloadAction;

/// <summary>Time alone changes the decision then.</summary>
public sealed record LookAgain(DateTimeOffset At) : WorkloadAction;

/// <summary>An event of the object that is decided about.</summary>
public sealed record Report(string Type, string Reason, string Message) : WorkloadAction;
