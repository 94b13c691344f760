using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api;

/// <summary>One mistake in a document: field path and what is wrong with it.</summary>
public sealed record FieldError(string Field, string Message, string Reason = "FieldValueInvalid");

/// <summary>A refusal that the client sees as a Kubernetes <c>Status</c> object.</summary>
public sealed class StatusException(int code, string reason, string message) : Exception(message)
{
    public int Code { get; } = code;
    public string Reason { get; } = reason;
    public JsonObject? Details { get; init; }
    /// <summary>Metadata of the Status, where it carries some.</summary>
    public JsonObject? ListMetadata { get; init; }

    public static StatusException BadRequest(string message) => new(400, "BadRequest", message);

    public static StatusException NotServed() => new(404, "NotFound", "the server could not find the requested resource");

    /// <summary>Details that name an object.</summary>
    public static JsonObject About(ResourceKind kind, ObjectName name)
    {
        var made = new JsonObject { ["name"] = name.Name, ["kind"] = kind.Plural };
        if (kind.Group.Length > 0) made["group"] = kind.Group;
        return made;
    }

    /// <summary>422 with every mistake at once.</summary>
    /// <param name="kind">Kind, and after a point its group.</param>
    /// <param name="name">Of the object.</param>
    /// <param name="errors">At least one.</param>
    public static StatusException Invalid(string kind, string name, IReadOnlyList<FieldError> errors) =>
        new(422, "Invalid", $"{kind} \"{name}\" is invalid: " + (errors.Count == 1 ? $"{errors[0].Field}: {errors[0].Message}" : "[" + string.Join(", ", errors.Select(error => $"{error.Field}: {error.Message}")) + "]"))
        {
            Details = new JsonObject
            {
                ["name"] = name, ["group"] = kind.Contains('.', StringComparison.Ordinal) ? kind[(kind.IndexOf('.', StringComparison.Ordinal) + 1)..] : "", ["kind"] = kind.Split('.')[0],
                ["causes"] = new JsonArray([.. errors.Select(error => new JsonObject { ["reason"] = error.Reason, ["message"] = error.Message, ["field"] = error.Field })]),
            },
        };

    public JsonObject ToStatus()
    {
        var status = new JsonObject
        {
            ["kind"] = "Status", ["apiVersion"] = "v1", ["metadata"] = ListMetadata?.DeepClone() ?? new JsonObject(), ["status"] = "Failure", ["message"] = Message, ["reason"] = Reason, ["code"] = Code,
        };
        if (Details is not null) status["details"] = Details.DeepClone();
        return status;
    }
}
