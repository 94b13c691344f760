namespace Eyrie.ControlPlane.Api.Schemas;

/// <summary>
/// The schema of a container's <c>permissions</c> (DESIGN section 4): a known field to every client. Lists of grants merge as a whole, because a grant has no name. What the
/// schema does not name the permission compiler refuses, with its place.
/// </summary>
public static class PermissionSchema
{
    public static Schema Document { get; } = Make();

    /// <summary>The kind PermissionSet: the same fields as its spec.</summary>
    public static Schema Set { get; } = Schema.Object(new Dictionary<string, Schema>
    {
        ["apiVersion"] = new() { Type = "string" }, ["kind"] = new() { Type = "string" }, ["metadata"] = ModelSchemas.Of("V1ObjectMeta")!, ["spec"] = Document,
    }) with { Name = "dev.eyrie.v1.PermissionSet", Description = "Permissions that containers of its namespace refer to by name, and that the namespace may give to all or bound all by." };

    /// <summary>The kind PermissionRecord: what a workload was seen to use.</summary>
    public static Schema Record { get; } = Schema.Object(new Dictionary<string, Schema>
    {
        ["apiVersion"] = new() { Type = "string" }, ["kind"] = new() { Type = "string" }, ["metadata"] = ModelSchemas.Of("V1ObjectMeta")!,
        ["spec"] = Schema.Object(new Dictionary<string, Schema>
        {
            ["workload"] = Schema.Object(new Dictionary<string, Schema> { ["kind"] = Schema.Text("Kind of the workload, e.g. Deployment."), ["name"] = Schema.Text("Its name.") }),
            ["until"] = Schema.Text("When the record ends by itself, RFC 3339."),
        }),
        ["status"] = Schema.Object(new Dictionary<string, Schema>
        {
            ["phase"] = Schema.Text("Recording or Ended."), ["startTime"] = Schema.Text("When it began."), ["endTime"] = Schema.Text("When it ended."),
            ["dropped"] = new() { Type = "integer", Description = "Uses that found no room." },
            ["uses"] = Schema.List(new Schema { Type = "object", PreserveUnknown = true }) with { Description = "What was seen, each kind of use once, counted." },
        }),
    }) with { Name = "dev.eyrie.v1.PermissionRecord", Description = "Runs a workload in audit for a while and counts what it uses." };

    private static Schema Make()
    {
        var port = new Schema { Type = "string", Format = "int-or-string", Description = "Port, 1 to 65535." };
        var names = Schema.List(new Schema { Type = "string" });
        Dictionary<string, Schema> Grant(params (string Name, Schema Schema)[] fields) => fields.Append(("name", Schema.Text("For optional and transitional."))).ToDictionary(field => field.Item1, field => field.Item2);
        (string, Schema)[] ports = [("port", port), ("ports", Schema.List(port) with { Description = "Ports or ranges such as 8000-8100." }), ("protocol", Schema.Text("TCP, which is also meant where nothing is said, or UDP."))];
        (string, Schema)[] pods = [("pods", new Schema { Type = "object", PreserveUnknown = true, Description = "Labels, or a selector with matchLabels and matchExpressions." }), ("namespace", Schema.Text("Namespace of the pods; absent: the own one."))];
        var peer = Schema.Object(Grant([("service", Schema.Text("NAME or NAMESPACE/NAME of a Service.")), ("cidr", Schema.Text("IPv4 network, e.g. 10.20.0.0/16.")), ("host", Schema.Text("Full name outside the cluster, e.g. api.example.com; the addresses that it has at the time.")), .. pods, .. ports]));
        var file = Schema.Object(Grant(("path", Schema.Text("Absolute path in the container.")), ("access", Schema.Text("read, write or execute.")), ("create", new Schema { Type = "boolean", Description = "Of write; false: only files that are there may be changed, none made, moved or removed." })));
        var shared = Schema.Object(Grant(("path", Schema.Text("Absolute path on the host.")), ("access", Schema.Text("read or write."))));
        var processes = Schema.Object(new Dictionary<string, Schema> { ["fork"] = new() { Type = "boolean" }, ["max"] = new() { Type = "integer", Description = "Most processes and threads at once." }, ["threads"] = new() { Type = "integer", Description = "With fork: false, most threads of the one process; otherwise 1: no process has a second thread." }, ["exec"] = names with { Description = "Files and directories that code may be run from; absent: all." }, ["sharedMemory"] = new() { Type = "boolean", Description = "System V shared memory among the container's own processes." } });
        return Schema.Object(new Dictionary<string, Schema>
        {
            ["connect"] = Schema.List(peer) with { Description = "Peers the container may connect to." },
            ["listen"] = Schema.List(Schema.Object(Grant(ports))) with { Description = "Ports the container may listen on, beside its `ports`." },
            ["accept"] = Schema.List(Schema.Object(Grant([.. pods, .. ports]))) with { Description = "Who of the cluster may connect to the pod; nobody else then may." },
            ["gates"] = Schema.List(Schema.Object(Grant(("service", Schema.Text("NAME or NAMESPACE/NAME of a gate that another pod publishes.")), ("rights", names with { Description = "[call], which is also meant where nothing is said." })))) with { Description = "Gates of other pods of the node that the container may call: native IPC sessions." },
            ["publish"] = Schema.List(Schema.Object(Grant(("gate", Schema.Text("Name of the gate, in the pod's own namespace.")), ("accept", Schema.List(Schema.Object(pods.ToDictionary(field => field.Item1, field => field.Item2))) with { Description = "Who may call it; absent: the pods of the own namespace." })))) with { Description = "Gates that the container serves." },
            ["files"] = Schema.List(file) with { Description = "Directories of the container's own root." },
            ["host"] = Schema.Object(new Dictionary<string, Schema> { ["paths"] = Schema.List(shared) with { Description = "Files and directories of the host that hostPath volumes may mount." } }),
            ["api"] = Schema.Object(new Dictionary<string, Schema> { ["token"] = new() { Type = "boolean", Description = "A token of the pod's service account for the cluster's API, and the connection there." }, ["audiences"] = names with { Description = "Tokens that projected volumes may carry for others." } }), ["devices"] = Schema.List(Schema.Object(Grant(("path", Schema.Text("Path of the device, e.g. /dev/ttyUSB0; the node must offer it.")), ("access", Schema.Text("read or write."))))) with { Description = "Devices of the host." },
            ["signals"] = Schema.List(Schema.Object(Grant(("container", Schema.Text("Name of a container of the same pod.")), ("signals", names)))) with { Description = "Signals that the container may send to others of its pod." }, ["hostFacts"] = names with { Description = "What the container may know of the host: memory, load, drivers." }, ["processes"] = processes, ["clock"] = Schema.Text("read."), ["random"] = Schema.Text("read."),
            ["sets"] = names with { Description = "PermissionSets of the namespace that are granted as well." },
            ["optional"] = names with { Description = "Names of grants that are left out where the namespace's ceiling forbids them." },
            ["transitional"] = names with { Description = "Names of grants that are to be removed." },
        }) with { PreserveUnknown = true, Description = "What the container may do beyond what its other fields already declare. Everything else is denied." };
    }
}
