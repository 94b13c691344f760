using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api;
using Eyrie.ControlPlane.Api.Access;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Dashboard;
using Eyrie.ControlPlane.Host;
using Eyrie.ControlPlane.Registry;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Prometheus;

if (await Backup.RunAsync(args) is { } code) return code;
if (ServerOptions.Parse(args, Console.Error) is not { } options) return 2;
Directory.CreateDirectory(options.StateDirectory);
var keys = Keys.LoadOrMake(options.StateDirectory, options.Listen.Address, options.ClusterOctet);
var stateFile = Path.Combine(options.StateDirectory, "control-plane.json");
var wanted = new IPEndPoint(options.Listen.Address, options.Listen.Port != 0 ? options.Listen.Port : LastPort(stateFile) ?? 0);
Socket socket;
try
{
    socket = ListenSocket.Bind(wanted);
}
catch (SocketException exception)
{
    Console.Error.WriteLine($"eyrie-control-plane: {wanted} cannot be listened at: {exception.Message}; end what listens there, or name another address with --listen");
    return 1;
}
var listen = (IPEndPoint)socket.LocalEndPoint!;
IStore opened;
try
{
    opened = options.Etcd is { } etcd ? await CachedStore.OpenAsync(await EtcdStore.OpenAsync(etcd, CancellationToken.None), CancellationToken.None) : EmbeddedStore.Open(Backup.StoreFile(options.StateDirectory));
}
catch (StoreUnavailableException exception)
{
    Console.Error.WriteLine($"eyrie-control-plane: the store does not open: {exception.Message}");
    return 1;
}
await using var store = opened;

var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
builder.Logging.ClearProviders().AddSimpleConsole(console => { console.SingleLine = true; console.TimestampFormat = "HH:mm:ss.fff "; });
builder.Services.Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
builder.Logging.AddFilter("Microsoft", LogLevel.Warning).AddFilter("Grpc", LogLevel.Warning).AddFilter("Microsoft.AspNetCore.DataProtection", LogLevel.Error);
builder.WebHost.UseSockets(sockets => sockets.CreateBoundListenSocket = _ => socket);
builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(listen, endpoint => { endpoint.UseHttps(keys.Server, https => { https.ClientCertificateMode = ClientCertificateMode.AllowCertificate; https.AllowAnyClientCertificate(); }); endpoint.Protocols = HttpProtocols.Http1AndHttp2; }));
builder.Services.AddSingleton<IStore>(store).AddSingleton(TimeProvider.System).AddEyrieObjects().AddHostedService<Compactor>();
var controllers = new ControllerOptions { ClusterOctet = options.ClusterOctet, NodeToken = keys.NodeToken, Prometheus = options.Prometheus, Scoring = options.Scoring, Api = listen };
builder.Services.AddEyrieControllers(controllers);
builder.Services.AddEyrieApi(new ApiOptions { ClusterOctet = options.ClusterOctet }, keys.Cluster);
builder.Services.AddEyrieDashboard(keys.AdminToken, Path.Combine(options.StateDirectory, "pki", "dashboard"));
builder.WebHost.UseStaticWebAssets();
builder.Services.AddEyrieRegistry(Path.Combine(options.StateDirectory, "registry"));

var app = builder.Build();
_ = Task.Run(app.Services.GetRequiredService<Akka.Actor.ActorSystem>); // it takes its time: beside what follows; a failure is met again when the application starts
app.UseEyrieRefusals();
app.Use((context, next) => Authentication.CheckAsync(context, keys, context.RequestServices.GetRequiredService<Authenticator>(), next));
app.UseEyrieDashboardSession();
app.UseWebSockets();
app.UseRouting();
app.UseHttpMetrics();
app.MapMetrics();
app.MapEyrieApi();
app.MapEyrieNodeSessions();
app.MapEyriePodTokens();
app.MapEyrieBackup(options.StateDirectory);
app.MapEyrieRegistry();
app.MapEyrieDashboard();
await Namespaces.EnsureAsync(app.Services.GetRequiredService<IObjects>(), CancellationToken.None);
await ClusterApiService.EnsureAsync(app.Services.GetRequiredService<IObjects>(), controllers, CancellationToken.None);
await app.StartAsync();

var url = $"https://{listen}";
WriteAtomically(Path.Combine(options.StateDirectory, "kubeconfig"), Kubeconfig(url, keys));
WriteAtomically(stateFile, new JsonObject
{
    ["pid"] = Environment.ProcessId, ["url"] = url, ["dashboard"] = $"{url}/dashboard/sign-in#{app.Services.GetRequiredService<DashboardSession>().Token}", ["clusterOctet"] = options.ClusterOctet,
}.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
Console.WriteLine("ready");
await app.WaitForShutdownAsync();
return 0;

static int? LastPort(string stateFile) =>
    File.Exists(stateFile) && JsonNode.Parse(File.ReadAllText(stateFile))?["url"]?.ToString() is { } url && Uri.TryCreate(url, UriKind.Absolute, out var last) ? last.Port : null;

static string Kubeconfig(string url, Keys keys) => string.Create(CultureInfo.InvariantCulture, $"""
    apiVersion: v1
    kind: Config
    current-context: eyrie
    clusters:
    - name: eyrie
      cluster:
        server: {url}
        certificate-authority-data: {Convert.ToBase64String(Encoding.UTF8.GetBytes(keys.AuthorityPem))}
    users:
    - name: admin
      user:
        token: {keys.AdminToken}
    contexts:
    - name: eyrie
      context:
        cluster: eyrie
        user: admin
        namespace: default

    """);

static void WriteAtomically(string path, string content)
{
    var temporary = path + ".new";
    File.WriteAllText(temporary, content);
    File.SetUnixFileMode(temporary, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    File.Move(temporary, path, true);
}
