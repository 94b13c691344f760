namespace Eyrie.ControlPlane.Api.Schemas;

/// <summary>The schema of <c>spec.guard</c> of a Deployment, and of <c>status.guard</c>, which says where a guarded rollout stands.</summary>
public static class GuardSchema
{
    private static readonly Schema Whole = new() { Type = "integer", Format = "int32" }, Number = new() { Type = "number", Format = "double" };

    public static Schema Spec { get; } = Schema.Object(new Dictionary<string, Schema>
    {
        ["steps"] = Schema.List(Schema.Object(new Dictionary<string, Schema>
        {
            ["weight"] = Whole with { Description = "Percent of the replicas that are of the new version, 1 to 100." },
            ["pause"] = new() { Type = "string", Format = "int-or-string", Description = "Seconds that the step lasts once its pods are available, or manual: until eyrie rollout approve." },
        })) with { Description = "A canary: the new version gets this share of the replicas, step by step." },
        ["limits"] = Schema.Object(new Dictionary<string, Schema>
        {
            ["unreadySeconds"] = Whole with { Description = "How long a pod of the new version may be unready." },
            ["restarts"] = Whole with { Description = "Most restarts of its containers together." },
            ["denied"] = Whole with { Description = "Most uses that its pods were denied for want of a grant; 0 unless said, null: not looked at." },
            ["queries"] = Schema.List(Schema.Object(new Dictionary<string, Schema> { ["name"] = Schema.Text("What messages call it."), ["query"] = Schema.Text("An instant query of Prometheus with one value."), ["min"] = Number, ["max"] = Number })),
        }) with { Description = "What undoes the rollout when it is crossed." },
        ["bakeSeconds"] = Whole with { Description = "How long it is watched after all replicas are new; 30 unless said." },
    }) with { Description = "Watches a rollout and undoes it by itself when the new version crosses a limit." };

    public static Schema Status { get; } = new() { Type = "object", PreserveUnknown = true, Description = "Where a guarded rollout stands." };
}
