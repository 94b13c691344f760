using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Admission;

/// <summary>Every namespace has a ServiceAccount named default. Pure.</summary>
public static class ServiceAccountPlan
{
    /// <param name="home">The namespace.</param>
    /// <param name="account">Its default account; null: there is none.</param>
    public static IReadOnlyList<WorkloadAction> Decide(JsonObject home, JsonObject? account) => home.IsDeleted() || account is not null ? []
        : [new CreateObject(Kinds.ServiceAccount, new JsonObject { ["apiVersion"] = "v1", ["kind"] = "ServiceAccount", ["metadata"] = new JsonObject { ["name"] = "default", ["namespace"] = home.Name() } })];

    /// <summary>One that was deleted is made anew.</summary>
    public static IEnumerable<ObjectName> Concerned(ObjectChange change) => change.Kind == Kinds.ServiceAccount && change.Type == ChangeType.Deleted && change.Name.Name == "default" ? [new ObjectName("", change.Name.Namespace)] : [];
}
