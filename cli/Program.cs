using System.CommandLine;
using System.Text.Json.Nodes;
using Eyrie.Cli;
using Eyrie.Manifests.Yaml;
using Spectre.Console;

var state = new Option<string>("--state-dir")
{
    Description = "Directory of the cluster's state.", Recursive = true,
    DefaultValueFactory = _ => Environment.GetEnvironmentVariable("EYRIE_STATE_DIR") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local/state/eyrie"),
};
var namespaceOption = new Option<string>("--namespace", "-n") { Description = "Namespace.", DefaultValueFactory = _ => "default", Recursive = true };
var root = new RootCommand("Eyrie: a cluster whose containers hold exactly the capabilities their manifests declare.") { state, namespaceOption };
static string[] Given(string option, string? value) => value is null ? [] : [option, value];
string State(ParseResult parsed) => Path.GetFullPath(parsed.GetValue(state)!);

var upFile = new Argument<string?>("file") { Description = "Manifest to apply.", Arity = ArgumentArity.ZeroOrOne };
var nodes = new Option<int>("--nodes") { Description = "Nodes on this machine.", DefaultValueFactory = _ => 2 };
var store = new Option<string?>("--store") { Description = "Where objects are kept: embedded (default) or etcd[s]://[USER@]HOST:PORT[,HOST:PORT...][/PREFIX][?ca=FILE&cert=FILE&key=FILE&password-file=FILE]; chosen at the first up." };
var port = new Option<int?>("--port") { Description = "Port of the API; chosen once when absent." };
var prometheus = new Option<string?>("--prometheus") { Description = "Address of a Prometheus that autoscalers and rollout guards may ask, e.g. http://127.0.0.1:9090." };
var scoring = new Option<string?>("--scoring-strategy") { Description = "Which nodes the scheduler prefers: LeastAllocated (default) spreads pods, MostAllocated packs them onto few nodes." };
scoring.AcceptOnlyFromAmong("LeastAllocated", "MostAllocated");
var hostPaths = new Option<string[]>("--host-path") { Description = "File, directory or device of this machine that pods may be granted, PATH or PATH:ro. May be given again." };
var resolver = new Option<string?>("--resolver") { Description = "Who is asked for names outside the cluster that permissions grant, ADDRESS or ADDRESS:PORT; the machine's own (resolv.conf) when absent." };
var up = new Command("up", "Starts a cluster on this machine, applies a manifest and follows its rollout.") { upFile, nodes, store, port, prometheus, scoring, hostPaths, resolver };
up.SetAction(async (parsed, _) => await Guard(async () =>
{
    await new LocalCluster(State(parsed)).StartAsync(parsed.GetValue(nodes), parsed.GetValue(store), parsed.GetValue(port), [.. Given("--prometheus", parsed.GetValue(prometheus)), .. Given("--scoring-strategy", parsed.GetValue(scoring))], [.. (parsed.GetValue(hostPaths) ?? []).SelectMany(path => new[] { "--host-path", path }), .. Given("--resolver", parsed.GetValue(resolver))], Say);
    using var cluster = Cluster.Open(State(parsed));
    if (parsed.GetValue(upFile) is { } file)
    {
        await SampleImages.EnsureAsync(cluster, file, Say);
        var applied = await Applying.ApplyAsync(cluster, file);
        foreach (var done in applied) Say($"{done}");
        await Rollout.FollowAsync(cluster, [.. applied.Where(done => done.Kind == "Deployment").Select(done => (done.Namespace, done.Name))]);
        foreach (var service in (await cluster.GetAsync("/api/v1/services"))!["items"]!.AsArray().Where(service => applied.Any(done => done.Kind == "Service" && done.Name == service!["metadata"]!["name"]!.ToString())))
            foreach (var item in service!["spec"]!["ports"]!.AsArray())
                Say($"service/{service["metadata"]!["name"]} answers at http://{service["spec"]!["clusterIP"]}:{item!["port"]}/");
    }
    Say($"dashboard:  {cluster.Dashboard}");
    Say($"kubeconfig: {State(parsed)}/kubeconfig    (export KUBECONFIG={State(parsed)}/kubeconfig)");
}));

var dashboard = new Command("dashboard", "Prints the address of the dashboard, with the way in.");
dashboard.SetAction(async (parsed, _) => await Guard(() =>
{
    using var cluster = Cluster.Open(State(parsed));
    Console.WriteLine(cluster.Dashboard);
    return Task.CompletedTask;
}));

var purge = new Option<bool>("--purge") { Description = "Removes the state too." };
var down = new Command("down", "Ends everything that up has started.") { purge };
down.SetAction(async (parsed, _) => await Guard(() => new LocalCluster(State(parsed)).StopAsync(parsed.GetValue(purge))));

var status = new Command("status", "Shows the cluster's processes.");
status.SetAction(async (parsed, _) => await Guard(() =>
{
    var table = new Table().Border(TableBorder.None).AddColumns("NAME", "PROCESS", "STATE");
    foreach (var (name, process, alive) in new LocalCluster(State(parsed)).Status()) table.AddRow(name, $"{process}", alive ? "running" : "gone");
    AnsiConsole.Write(table);
    return Task.CompletedTask;
}));

var file = new Option<string>("--filename", "-f") { Description = "Manifest.", Required = true };
var apply = new Command("apply", "Applies a manifest: all of it or nothing.") { file };
apply.SetAction(async (parsed, _) => await Guard(async () =>
{
    using var cluster = Cluster.Open(State(parsed));
    foreach (var line in await Applying.ApplyAsync(cluster, parsed.GetValue(file)!)) Console.WriteLine(line);
}));

var resource = new Argument<string>("resource") { Description = "pods, deployments, services, nodes, events, ..." };
var get = new Command("get", "Lists resources.") { resource };
get.SetAction(async (parsed, _) => await Guard(async () =>
{
    using var cluster = Cluster.Open(State(parsed));
    await Listing.WriteAsync(cluster, parsed.GetValue(resource)!, parsed.GetValue(namespaceOption)!);
}));

var pod = new Argument<string>("pod");
var follow = new Option<bool>("--follow", "-f");
var container = new Option<string?>("--container", "-c");
var logs = new Command("logs", "Prints a container's log.") { pod, follow, container };
logs.SetAction(async (parsed, cancellation) => await Guard(async () =>
{
    using var cluster = Cluster.Open(State(parsed));
    var query = $"?follow={(parsed.GetValue(follow) ? "true" : "false")}" + (parsed.GetValue(container) is { } name ? $"&container={name}" : "");
    using var response = await cluster.Http.GetAsync($"/api/v1/namespaces/{parsed.GetValue(namespaceOption)}/pods/{parsed.GetValue(pod)}/log{query}", HttpCompletionOption.ResponseHeadersRead, cancellation);
    if (!response.IsSuccessStatusCode) throw new Failure(JsonNode.Parse(await response.Content.ReadAsStringAsync(cancellation))?["message"]?.ToString() ?? "the log could not be read");
    await using var output = Console.OpenStandardOutput();
    await (await response.Content.ReadAsStreamAsync(cancellation)).CopyToAsync(output, cancellation);
}));

var caps = new Command("caps", "Prints a pod's capability sets, read back from the node's kernel.") { pod };
caps.SetAction(async (parsed, _) => await Guard(async () =>
{
    using var cluster = Cluster.Open(State(parsed));
    var found = await cluster.CallAsync(HttpMethod.Get, $"/apis/eyrie.dev/v1/namespaces/{parsed.GetValue(namespaceOption)}/pods/{parsed.GetValue(pod)}/capabilities", null);
    foreach (var set in found["containers"]!.AsArray())
    {
        var state = set!["kernel"]!.AsArray().Count == 0 ? "does not run" : set["equal"]!.GetValue<bool>() ? "equal to the compiled set" : "DIFFERS from the compiled set";
        Console.WriteLine($"container {set["name"]} ({state})");
        foreach (var line in set["kernel"]!.AsArray()) Console.WriteLine($"  {line}");
    }
}));

var verify = new Command("verify", "Reads the sets of every running container back from the kernels and compares them with the compiled ones.");
verify.SetAction(async (parsed, _) => await Guard(async () =>
{
    using var cluster = Cluster.Open(State(parsed));
    await Permissions.VerifyAsync(cluster);
}));
caps.Add(verify);
var permissions = Permissions.Command(parsed => File.Exists(Path.Combine(State(parsed), "control-plane.json")) ? Cluster.Open(State(parsed)) : null, namespaceOption, Guard);

var kind = new Argument<string>("resource");
var named = new Argument<string>("name");
var delete = new Command("delete", "Deletes a resource.") { kind, named };
delete.SetAction(async (parsed, _) => await Guard(async () =>
{
    using var cluster = Cluster.Open(State(parsed));
    await cluster.CallAsync(HttpMethod.Delete, (await Resources.DiscoverAsync(cluster)).Named(parsed.GetValue(kind)!).Collection(parsed.GetValue(namespaceOption)!) + "/" + parsed.GetValue(named), null);
    Console.WriteLine($"{parsed.GetValue(kind)}/{parsed.GetValue(named)} deleted");
}));

var imageName = new Argument<string>("name") { Description = "NAME:TAG" };
var folder = new Argument<string>("folder") { Description = "Root file system, OCI layout or docker archive; the archives also as a tar file." };
var import = new Command("import", "Packs a folder into an image of the cluster's registry, or takes an OCI layout or docker archive.") { imageName, folder };
import.SetAction(async (parsed, _) => await Guard(async () =>
{
    using var cluster = Cluster.Open(State(parsed));
    await Images.ImportAsync(cluster, parsed.GetValue(imageName)!, parsed.GetValue(folder)!);
    Console.WriteLine($"image {parsed.GetValue(imageName)} imported");
}));
var imageList = new Command("list", "Lists the images of the cluster's registry.");
imageList.SetAction(async (parsed, _) => await Guard(async () =>
{
    using var cluster = Cluster.Open(State(parsed));
    foreach (var repository in (await cluster.GetAsync("/v2/_catalog"))!["repositories"]!.AsArray())
        foreach (var tag in (await cluster.GetAsync($"/v2/{repository}/tags/list"))!["tags"]!.AsArray()) Console.WriteLine($"{repository}:{tag}");
}));
var archive = new Argument<string>("file") { Description = "The archive, a tar file." };
var exportName = new Argument<string>("name") { Description = "NAME:TAG" };
var export = new Command("export", "Writes an image of the cluster's registry as an archive: an OCI layout that docker load takes as well.") { exportName, archive };
export.SetAction(async (parsed, _) => await Guard(async () =>
{
    using var cluster = Cluster.Open(State(parsed));
    await ImageExport.RunAsync(cluster, parsed.GetValue(exportName)!, parsed.GetValue(archive)!);
    Console.WriteLine($"image {parsed.GetValue(exportName)} exported to {parsed.GetValue(archive)}");
}));
var image = new Command("image", "Images of the cluster's registry.") { import, imageList, export };

var backupFile = new Argument<string>("file") { Description = "File of the backup." };
var backup = new Command("backup", "Writes the cluster's objects, as of one moment, to a new file.") { backupFile };
backup.SetAction(async (parsed, _) => await Guard(async () =>
{
    using var cluster = Cluster.Open(State(parsed));
    await Backups.BackupAsync(cluster, parsed.GetValue(backupFile)!);
    Console.WriteLine($"backup written to {parsed.GetValue(backupFile)}");
}));
var restore = new Command("restore", "Puts a backup in the place of the objects of a cluster that is down; the old ones stay beside it.") { backupFile };
restore.SetAction(async (parsed, _) => await Guard(async () =>
{
    await Backups.RestoreAsync(new LocalCluster(State(parsed)), State(parsed), parsed.GetValue(backupFile)!);
    Console.WriteLine("restored; start the cluster with: eyrie up");
}));
var address = new Argument<string>("address") { Description = "etcd[s]://[USER@]HOST:PORT[,HOST:PORT...][/PREFIX][?ca=FILE&cert=FILE&key=FILE&password-file=FILE], empty." };
var moveStore = new Command("move-store", "Moves the objects of a cluster that is down from the embedded store to an etcd.") { address };
moveStore.SetAction(async (parsed, _) => await Guard(async () =>
    Console.WriteLine($"{await Backups.MoveAsync(new LocalCluster(State(parsed)), State(parsed), parsed.GetValue(address)!)} objects moved; start the cluster with: eyrie up")));

var deploymentName = new Argument<string>("deployment") { Description = "Name of a Deployment." };
var once = new Option<bool>("--once") { Description = "Prints where it stands and ends." };
var rolloutStatus = new Command("status", "Follows a rollout live: steps, pauses, limits, and what came of it.") { deploymentName, once };
rolloutStatus.SetAction(async (parsed, _) => await Guard(async () =>
{
    using var cluster = Cluster.Open(State(parsed));
    await GuardedRollout.FollowAsync(cluster, parsed.GetValue(namespaceOption)!, parsed.GetValue(deploymentName)!, !parsed.GetValue(once));
}));
var approve = new Command("approve", "Ends the pause of the step a rollout is in.") { deploymentName };
approve.SetAction(async (parsed, _) => await Guard(async () =>
{
    using var cluster = Cluster.Open(State(parsed));
    Say(await GuardedRollout.ApproveAsync(cluster, parsed.GetValue(namespaceOption)!, parsed.GetValue(deploymentName)!));
}));
var abort = new Command("abort", "Undoes a rollout that is under way.") { deploymentName };
abort.SetAction(async (parsed, _) => await Guard(async () =>
{
    using var cluster = Cluster.Open(State(parsed));
    Say(await GuardedRollout.AbortAsync(cluster, parsed.GetValue(namespaceOption)!, parsed.GetValue(deploymentName)!));
}));
var rollout = new Command("rollout", "A Deployment's rollout and its guard.") { rolloutStatus, approve, abort };

foreach (var command in new[] { up, down, status, rollout, dashboard, apply, get, logs, delete, caps, permissions, image, backup, restore, moveStore }) root.Add(command);
return await root.Parse(args).InvokeAsync();

static void Say(string line) => Console.WriteLine(line);

static async Task<int> Guard(Func<Task> work)
{
    try
    {
        await work();
        return 0;
    }
    catch (Exception exception) when (exception is Failure or ManifestException)
    {
        Console.Error.WriteLine("eyrie: " + exception.Message);
        return 1;
    }
}
