using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Api;

/// <summary>One mistake in a document: field path and what is wrong with it.</summary>
public sealed record FieldError(string Field, string Message, string Reason = "FieldValueInvalid");

/// <summary>A refusal that the client sees as a Kubernetes <c>Status</c> object.</summary>
public sealed class StatusException(int code, string reason, string message) : Exception(message)
{
    public int Code { get; } = code;
    public string Reason { get; } = reason;
    public JsonObject? Details { get; init; }

    public static StatusException BadRequest(string message) => new(400, "BadRequest", message);

    /// <summary>422 with every mistake at once.</summary>
    public static StatusException Invalid(string kind, string name, IReadOnlyList<FieldError> errors) =>
        new(422, "Invalid", $"{kind} \"{name}\" is invalid: " + (errors.Count == 1 ? $"{errors[0].Field}: {errors[0].Message}" : "[" + string.Join(", ", errors.Select(error => $"{error.Field}: {error.Message}")) + "]"))
        {
            Details = new JsonObject
            {
                ["name"] = name, ["kind"] = kind,
                ["causes"] = new JsonArray([.. errors.Select(error => new JsonObject { ["reason"] = error.Reason, ["message"] = error.Message, ["field"] = error.Field })]),
            },
        };

    public JsonObject ToStatus()
    {
        var status = new JsonObject
        {
            ["kind"] = "Status", ["apiVersion"] = "v1", ["metadata"] = new JsonObject(), ["status"] = "Failure", ["message"] = Message, ["reason"] = Reason, ["code"] = Code,
        };
        if (Details is not null) status["details"] = Details.DeepClone();
        return status;
    }
}
