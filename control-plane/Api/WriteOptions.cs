using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace Eyrie.ControlPlane.Api;

/// <summary>The query parameters that every write has.</summary>
/// <param name="DryRun">Everything happens but the write.</param>
/// <param name="Validation">What to do about unknown fields: <c>Strict</c>, <c>Warn</c> or <c>Ignore</c>.</param>
/// <param name="Manager">Who writes, for managedFields; at most 128 printable characters.</param>
/// <param name="Force">Server-side apply takes fields from their managers.</param>
public sealed record WriteOptions(bool DryRun, string Validation, string Manager, bool Force)
{
    /// <exception cref="StatusException">A parameter has a value that there is not; all of them at once.</exception>
    public static WriteOptions Of(HttpRequest request)
    {
        var query = request.Query;
        var errors = new List<FieldError>();
        var dryRun = query["dryRun"];
        if (dryRun.Any(value => value != "All")) errors.Add(new FieldError("dryRun", $"Unsupported value: \"{dryRun}\": supported values: \"All\"", "FieldValueNotSupported"));
        var validation = query["fieldValidation"].ToString();
        if (validation is not ("" or "Strict" or "Warn" or "Ignore")) errors.Add(new FieldError("fieldValidation", $"Unsupported value: \"{validation}\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"", "FieldValueNotSupported"));
        var manager = query["fieldManager"].ToString();
        if (manager.Length > 128) errors.Add(new FieldError("fieldManager", "Too long: may not be more than 128 bytes", "FieldValueTooLong"));
        if (manager.Any(char.IsControl)) errors.Add(new FieldError("fieldManager", "Invalid value: should only contain printable characters"));
        var force = query["force"].ToString();
        if (force is not ("" or "true" or "false" or "1" or "0")) errors.Add(new FieldError("force", $"Invalid value: \"{force}\": must be true or false"));
        if (errors.Count > 0) throw StatusException.Invalid("WriteOptions.meta.k8s.io", "", errors);
        if (manager.Length == 0) manager = request.Headers.UserAgent.ToString().Split('/')[0] is { Length: > 0 } agent ? agent[..Math.Min(agent.Length, 128)] : "unknown";
        return new WriteOptions(dryRun.Count > 0, validation.Length == 0 ? "Warn" : validation, manager, force is "true" or "1");
    }
}
