namespace Eyrie.ControlPlane.Api.Schemas;

/// <summary>
/// The schema of a container's <c>permissions</c> (DESIGN section 4): a known field to every client. Lists of grants merge as a whole, because a grant has no name. What the
/// schema does not name the permission compiler refuses, with its place.
/// </summary>
public static class PermissionSchema
{
    public static Schema Document { get; } = Make();

    private static Schema Make()
    {
        var port = new Schema { Type = "string", Format = "int-or-string", Description = "Port, 1 to 65535." };
        var peer = Schema.Object(new Dictionary<string, Schema>
        {
            ["service"] = Schema.Text("NAME or NAMESPACE/NAME of a Service."), ["cidr"] = Schema.Text("IPv4 network, e.g. 10.20.0.0/16."), ["host"] = Schema.Text("DNS name, resolved for the container."),
            ["port"] = port, ["ports"] = Schema.List(port) with { Description = "Ports or ranges such as 8000-8100." },
        });
        var file = Schema.Object(new Dictionary<string, Schema> { ["path"] = Schema.Text("Absolute path in the container."), ["access"] = Schema.Text("read or write.") });
        var processes = Schema.Object(new Dictionary<string, Schema> { ["fork"] = new() { Type = "boolean" }, ["max"] = new() { Type = "integer", Description = "Most processes at once." } });
        var gate = Schema.Object(new Dictionary<string, Schema> { ["service"] = Schema.Text("Whose gate."), ["rights"] = Schema.List(new Schema { Type = "string" }) });
        return Schema.Object(new Dictionary<string, Schema>
        {
            ["connect"] = Schema.List(peer) with { Description = "Peers the container may connect to." },
            ["files"] = Schema.List(file) with { Description = "Paths of the container's own root." },
            ["processes"] = processes, ["clock"] = Schema.Text("read or none."),
            ["gates"] = Schema.List(gate) with { Description = "Sessions to gates that other pods publish." },
            ["optional"] = Schema.List(new Schema { Type = "string" }) with { Description = "Grants whose absence must not stop the start." },
        }) with { PreserveUnknown = true, Description = "What the container may do beyond what its other fields already declare. Everything else is denied." };
    }
}
