using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Akka.Actor;
using Eyrie.Tests;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>Requests that nobody in their senses sends: no 500, no crash, and a Status each time one is refused. <c>EYRIE_SEED</c> runs one seed again; <c>EYRIE_LONG=1</c> runs thirty seeds.</summary>
[Takes(20)]
public sealed class FuzzTests(ApiServer server) : IClassFixture<ApiServer>
{
    /// <summary>Hears what controllers could not do because of a mistake of theirs.</summary>
    private sealed class Ear : ReceiveActor
    {
        public Ear(ConcurrentQueue<string> heard) => Receive<Akka.Event.Error>(error => heard.Enqueue(error.ToString()));
    }

    private const int Requests = 10_000;
    private static readonly int Seeds = Environment.GetEnvironmentVariable("EYRIE_LONG") == "1" ? 30 : 1;
    private static readonly int First = int.TryParse(Environment.GetEnvironmentVariable("EYRIE_SEED"), CultureInfo.InvariantCulture, out int given) ? given : Environment.TickCount & 0xffffff;

    private const string Pod = """{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","labels":{"a":"b"}},"spec":{"containers":[{"name":"a","image":"i:1","command":["x"],"env":[{"name":"E","value":"v"}],"ports":[{"containerPort":80}],"resources":{"limits":{"cpu":"1","memory":"1Mi"}},"permissions":{"connect":[{"service":"a","port":80}],"files":[{"path":"/x","access":"read"}]},"readinessProbe":{"httpGet":{"port":80}},"volumeMounts":[{"name":"v","mountPath":"/v"}]}],"volumes":[{"name":"v","emptyDir":{}}],"tolerations":[{"key":"k","operator":"Exists"}]}}""";
    private static readonly (string Path, string Body)[] Bodies =
    [
        ("api/v1/namespaces/default/pods", Pod),
        ("apis/apps/v1/namespaces/default/deployments", """{"metadata":{"name":"d"},"spec":{"replicas":0,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":SPEC}}}""".Replace("SPEC", JsonNode.Parse(Pod)!["spec"]!.ToJsonString(), StringComparison.Ordinal)),
        ("api/v1/namespaces/default/services", """{"metadata":{"name":"s"},"spec":{"selector":{"a":"b"},"ports":[{"port":80,"targetPort":"x"}]}}"""),
        ("api/v1/namespaces/default/configmaps", """{"metadata":{"name":"c","annotations":{"a":"b"},"finalizers":[],"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p","uid":"u"}]},"data":{"a":"b"}}"""),
        ("api/v1/namespaces/default/secrets", """{"metadata":{"generateName":"s-"},"stringData":{"a":"b"},"data":{"b":"YQ=="}}"""),
        ("apis/batch/v1/namespaces/default/cronjobs", """{"metadata":{"name":"j"},"spec":{"schedule":"* * * * *","jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"a","image":"i"}]}}}}}}"""),
        ("apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", """{"metadata":{"name":"r"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"},"subjects":[{"kind":"User","name":"ann"}]}"""),
        ("apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers", """{"metadata":{"name":"h"},"spec":{"scaleTargetRef":{"kind":"Deployment","name":"d","apiVersion":"apps/v1"},"minReplicas":1,"maxReplicas":2,"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":50}}}]}}"""),
        ("apis/policy/v1/namespaces/default/poddisruptionbudgets", """{"metadata":{"name":"b"},"spec":{"minAvailable":"50%","selector":{"matchLabels":{"a":"b"}}}}"""),
        ("apis/networking.k8s.io/v1/namespaces/default/networkpolicies", """{"metadata":{"name":"n"},"spec":{"podSelector":{},"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/8"}}],"ports":[{"port":80}]}]}}"""),
        ("apis/eyrie.dev/v1/namespaces/default/permissionsets", """{"metadata":{"name":"p"},"spec":{"connect":[{"cidr":"10.0.0.0/8","ports":["80-90"]}],"processes":{"max":3}}}"""),
        ("api/v1/namespaces/default/limitranges", """{"metadata":{"name":"l"},"spec":{"limits":[{"type":"Container","default":{"cpu":"1"}}]}}"""),
        ("api/v1/namespaces/default/resourcequotas", """{"metadata":{"name":"q"},"spec":{"hard":{"count/secrets":"100000"}}}"""),
        ("apis/certificates.k8s.io/v1/certificatesigningrequests", """{"metadata":{"name":"c"},"spec":{"request":"LS0t","signerName":"a.b/c","usages":["client auth"]}}"""),
        ("apis/apiextensions.k8s.io/v1/customresourcedefinitions", """{"metadata":{"name":"fs.fuzz.example.com"},"spec":{"group":"fuzz.example.com","scope":"Namespaced","names":{"plural":"fs","kind":"F"},"versions":[{"name":"v1","served":true,"storage":true,"additionalPrinterColumns":[{"name":"A","type":"date","jsonPath":".spec.a"}],"subresources":{"status":{},"scale":{"specReplicasPath":".spec.a","statusReplicasPath":".status.b"}},"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{"a":{"type":"integer","default":1,"enum":[1,2]},"l":{"type":"array","items":{"type":"string"},"x-kubernetes-list-type":"set"}}}}}}}]}}"""),
        ("apis/authorization.k8s.io/v1/subjectaccessreviews", """{"spec":{"user":"a","resourceAttributes":{"verb":"get","resource":"pods"}}}"""),
        ("apis/authentication.k8s.io/v1/tokenreviews", """{"spec":{"token":"a.b.c","audiences":["x"]}}"""),
        ("api/v1/namespaces/default/serviceaccounts/default/token", """{"spec":{"expirationSeconds":600,"boundObjectRef":{"kind":"Pod","name":"p"}}}"""),
        ("api/v1/namespaces/default/pods/there/eviction", """{"metadata":{"name":"there"},"deleteOptions":{"gracePeriodSeconds":0,"dryRun":["All"]}}"""),
        ("api/v1/namespaces/default/pods/there/binding", """{"target":{"kind":"Node","name":"n"}}"""),
    ];

    private static readonly string[] Values = ["null", "true", "0", "-1", "1e400", "1.5", "99999999999999999999", "\"\"", "\"\\u0000\"", "\"\\ud800\"", "\"ä\\n\"", "[]", "[null]", "{}", "[[]]", "{\"\":1}", "{\"a\":{\"b\":[]}}", "\"2024-13-45\"", "\"100%\"", "\"-5\"", "\"../..\"", "2147483648"];
    private static readonly string[] Words = ["a", "b", "=", "==", "!=", "!", ",", "(", ")", " in ", " notin ", "spec.nodeName", "metadata.name", "status.phase", "\u0001", "é", "%", "/", "x/y", "-", ".", "{", "\\", "null", "9999999999999999999999", "-1", "0", "1", "true", "All", "Strict", "Warn", "Foreground", "Orphan", "Exact", "NotOlderThan", "spec.unschedulable", "type", "a in (b,c)", "a notin ()", "!a", "a,", ",,", "x in (", "app.kubernetes.io/name", "9223372036854775807", "metadata.name=there", "kubernetes.io/"];
    private static readonly string[] Parameters = ["labelSelector", "fieldSelector", "limit", "continue", "resourceVersion", "resourceVersionMatch", "timeoutSeconds", "sendInitialEvents", "allowWatchBookmarks", "dryRun", "fieldValidation", "fieldManager", "force", "gracePeriodSeconds", "propagationPolicy", "orphanDependents", "includeObject", "pretty", "watch", "container", "previous", "follow", "sinceSeconds", "limitBytes", "stdin", "tty", "stdout", "tailLines", "sinceTime", "command", "ports"];
    private static readonly string[] Types = ["application/json", "application/yaml", "application/merge-patch+json", "application/strategic-merge-patch+json", "application/json-patch+json", "application/apply-patch+yaml", "application/vnd.kubernetes.protobuf", "text/html", "a", "application/json;q=x", "application/json; charset=utf-16", "application/json;charset=\"", "application/merge-patch+json; a=b;;", "APPLICATION/JSON", "application/json, application/yaml", ""];
    private static readonly string[] Accepts = ["application/json", "*/*", "application/json;as=Table;v=v1;g=meta.k8s.io", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", "application/json;as=Nothing;v=v1;g=meta.k8s.io", "application/vnd.kubernetes.protobuf", ";;;", ",", "text/html;q=2", "application/yaml", "application/yaml;as=Table;v=v1;g=meta.k8s.io", "*/*;q=0", "application/*", "text/*", "a/b", "application/json;stream=watch", "application/cbor", "application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io"];

    [Fact]
    public async Task Whatever_is_sent_is_answered_with_a_Status_and_never_with_500_and_no_controller_stumbles_over_it()
    {
        var stumbled = new ConcurrentQueue<string>();
        var system = server.Services.GetRequiredService<ActorSystem>();
        Assert.True(system.EventStream.Subscribe(system.ActorOf(Props.Create(() => new Ear(stumbled))), typeof(Akka.Event.Error)));
        await server.SendAsync("POST", "api/v1/namespaces/default/pods", Pod.Replace("\"p\"", "\"there\"", StringComparison.Ordinal));
        await server.SendAsync("POST", "api/v1/namespaces/default/configmaps", """{"metadata":{"name":"there"},"data":{"a":"b"}}""");
        await server.SendAsync("POST", Bodies[1].Path, Bodies[1].Body.Replace("\"d\"", "\"there\"", StringComparison.Ordinal));
        for (int seed = First; seed < First + Seeds; seed++)
        {
            await SendAllAsync(seed);
            Assert.True(stumbled.IsEmpty, $"EYRIE_SEED={seed} repeats it:\n{string.Join("\n\n", stumbled.Take(3))}");
        }
        Assert.Equal(HttpStatusCode.OK, (await server.SendAsync("GET", "api/v1/namespaces/default")).Code);
    }

    private async Task SendAllAsync(int seed)
    {
        var wrong = new List<string>();
        int refused = 0;
        for (int i = 0; i < Requests && wrong.Count < 3; i++)
        {
            using var request = Make(new Random(unchecked((seed * 1_000_003) + i)));
            var sent = $"seed {seed}, request {i}: {request.Method} {request.RequestUri}\n{request.Headers}{request.Content?.Headers}\n{(request.Content is null ? "" : await request.Content.ReadAsStringAsync())}";
            try
            {
                using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(90)); // longer than the server's own
                using var response = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token);
                if (response.StatusCode < HttpStatusCode.BadRequest) continue;
                refused++;
                var text = await response.Content.ReadAsStringAsync(deadline.Token);
                if (!IsGood(response.StatusCode, text)) wrong.Add($"{response}\n{text}\n{sent}");
            }
            catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException or IOException)
            {
                wrong.Add($"no answer: {exception}\n{sent}");
            }
        }
        Assert.True(wrong.Count == 0, $"{wrong.Count} answers are no refusals in good order (EYRIE_SEED={seed} repeats them):\n{string.Join("\n\n", wrong)}\nThe server logged:\n{string.Join("\n", server.Log.Lines.TakeLast(3))}");
        Assert.True(refused > Requests / 3, $"seed {seed}: only {refused} of {Requests} were refused: the generator is too tame");
    }

    private static bool IsGood(HttpStatusCode code, string text) => code is < HttpStatusCode.InternalServerError or HttpStatusCode.GatewayTimeout or HttpStatusCode.ServiceUnavailable && IsStatus(text, (int)code);

    private static bool IsStatus(string text, int code)
    {
        try
        {
            return JsonNode.Parse(text) is JsonObject status && status["kind"]?.ToString() == "Status" && status["status"]?.ToString() == "Failure" && status["code"]?.GetValue<int>() == code && status["message"]?.ToString().Length > 0 && status["reason"]?.ToString().Length > 0;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static HttpRequestMessage Make(Random random)
    {
        var (path, body) = random.GetItems(Bodies, 1)[0];
        HttpRequestMessage request;
        switch (random.Next(6))
        {
            case 0: request = With(HttpMethod.Post, path, random.Next(2) == 0 ? Garbled(random, body) : Changed(random, body), random.Next(4) == 0 ? Types[random.Next(Types.Length)] : "application/json"); break;
            case 1: request = With(HttpMethod.Post, path, random.Next(2) == 0 ? Garbled(random, Yaml(body)) : Yaml(Changed(random, body)), "application/yaml"); break;
            case 2: request = With(HttpMethod.Patch, There(random), Patch(random, body), Types[random.Next(2, Types.Length)]); break;
            case 3: request = With(HttpMethod.Put, There(random), Changed(random, body), "application/json"); break;
            case 4: request = new HttpRequestMessage(random.Next(3) == 0 ? HttpMethod.Delete : HttpMethod.Get, random.Next(2) == 0 ? There(random) + random.GetItems(["", "/log", "/exec", "/portforward", "/status", "/scale"], 1)[0] : path.Replace("/there/", "/none/", StringComparison.Ordinal)); break;
            default: request = With(random.GetItems([HttpMethod.Get, HttpMethod.Post, HttpMethod.Put, HttpMethod.Patch, HttpMethod.Options, new HttpMethod("BREW")], 1)[0], Path(random), Changed(random, body), "application/json"); break;
        }
        // Deleting for good is not the point: the next requests want something to be there.
        var query = request.Method == HttpMethod.Delete ? "dryRun=All" : "";
        for (int i = random.Next(4); i > 0; i--) query += $"&{Parameters[random.Next(Parameters.Length)]}={Uri.EscapeDataString(Term(random))}";
        request.RequestUri = new Uri($"{request.RequestUri}?{query}", UriKind.Relative);
        Dress(random, request);
        return request;
    }

    /// <summary>Header fields of every sort: what is accepted, who asks, for whom, on which condition; some of them twice, some far too long.</summary>
    private static void Dress(Random random, HttpRequestMessage request)
    {
        void Add(int oneIn, string name, params string[] values)
        {
            if (random.Next(oneIn) != 0) return;
            for (int i = random.Next(8) == 0 ? 3 : 1; i > 0; i--) request.Headers.TryAddWithoutValidation(name, values[random.Next(values.Length)]);
        }

        Add(3, "Accept", [.. Accepts, string.Join(',', random.GetItems(Accepts, 3)), string.Join(',', random.GetItems(Accepts, 2).Select(range => $"{range};q={random.GetItems(["0", "0.5", "1", "1.5", "-1", "x", "", "0.0001", "1e3"], 1)[0]}"))]);
        Add(20, "Impersonate-User", "", "ann", "system:serviceaccount:default:default", "system:serviceaccount:", "system:admin", new string('u', 2000));
        Add(30, "Impersonate-Group", "", "system:masters", "a,b", new string('g', 2000));
        Add(30, "Impersonate-Uid", "", "u");
        Add(30, "Impersonate-Extra-Scopes", "", "view");
        Add(20, "Authorization", "Bearer x", "Bearer a.b.c", "Bearer eyJhbGciOiJub25lIn0.e30.", "Bearer", "Bearer ", "bearer  x", "x", "", "Basic eDp5", "Basic !", "Digest a=b, c=d", "Bearer " + new string('t', 3000));
        Add(20, "If-Match", "*", "\"1\"", "x");
        Add(20, "If-None-Match", "*", "\"1\"", "x");
        Add(20, "Accept-Encoding", "gzip", "br;q=1.0, *;q=0", "nonsense");
        Add(20, "Kubectl-Command", "kubectl edit", "kubectl rollout undo", "kubectl debug", "");
        Add(30, "User-Agent", "kubectl/v1.27", "", "(", new string('a', 500));
        Add(40, "Expect", "100-continue", "200-ok");
        Add(40, "Connection", "Upgrade");
        Add(40, "Upgrade", "websocket", "SPDY/3.1", "h2c", "x");
        Add(40, "X-Stream-Protocol-Version", "v4.channel.k8s.io", "", "x,y");
        Add(60, "X-Long", new string('l', 4_000)); // a head beyond 32 KiB is cut off by the server before anybody knows that it is for the API
        if (random.Next(60) == 0) for (int i = 0; i < 60; i++) request.Headers.TryAddWithoutValidation("X-Many-" + i.ToString(CultureInfo.InvariantCulture), "1");
        if (request.Content is { } content && random.Next(15) == 0) content.Headers.TryAddWithoutValidation("Content-Encoding", random.GetItems(["gzip", "identity", "br", "x"], 1)[0]);
    }

    private static HttpRequestMessage With(HttpMethod method, string path, string body, string type)
    {
        var bytes = Encoding.UTF8.GetBytes(body);
        if (bytes.Length > 0 && bytes.Length % 7 == 0) bytes[bytes.Length / 2] = 0xff; // no UTF-8 at all
        var content = new ByteArrayContent(bytes);
        content.Headers.TryAddWithoutValidation("Content-Type", type);
        return new HttpRequestMessage(method, path) { Content = content };
    }

    private static string There(Random random) => random.GetItems(["api/v1/namespaces/default/pods/there", "api/v1/namespaces/default/configmaps/there", "apis/apps/v1/namespaces/default/deployments/there", "apis/apps/v1/namespaces/default/deployments/there/scale", "api/v1/namespaces/default/pods/there/ephemeralcontainers", "api/v1/namespaces/default/pods/there/status"], 1)[0];

    private static string Path(Random random) => string.Join('/', Enumerable.Range(0, random.Next(1, 7)).Select(_ => random.GetItems(["api", "apis", "v1", "namespaces", "default", "pods", "apps", "...", "%ff", "é", "a b", "deployments", new string('x', 300)], 1)[0])).Insert(0, random.GetItems(["api/v1/", "apis/apps/v1/"], 1)[0]);

    private static string Term(Random random) => string.Concat(Enumerable.Range(0, random.Next(1, 7)).Select(_ => Words[random.Next(Words.Length)]));

    /// <summary>The document with a few of its values replaced, removed or doubled.</summary>
    private static string Changed(Random random, string text)
    {
        var document = JsonNode.Parse(text)!;
        var marks = new List<string>();
        for (int i = random.Next(1, 4); i > 0; i--)
        {
            var places = new List<JsonNode>();
            Collect(document, places);
            if (places.Count == 0) break;
            var place = places[random.Next(places.Count)];
            var mark = $"@{i}@";
            if (place.Parent is JsonObject map) map[place.GetPropertyName()] = mark;
            else if (place.Parent is JsonArray list) list[place.GetElementIndex()] = mark;
            marks.Add(mark);
        }
        var made = document.ToJsonString();
        foreach (var mark in marks) made = made.Replace($"\"{mark}\"", random.Next(12) == 0 ? string.Concat(Enumerable.Repeat("[", 100)) + string.Concat(Enumerable.Repeat("]", 100)) : Values[random.Next(Values.Length)], StringComparison.Ordinal);
        return made;
    }

    private static void Collect(JsonNode? node, List<JsonNode> places)
    {
        if (node?.Parent is not null) places.Add(node);
        if (node is JsonObject map) foreach (var (_, inner) in map) Collect(inner, places);
        if (node is JsonArray list) foreach (var inner in list) Collect(inner, places);
    }

    private static string Garbled(Random random, string text)
    {
        var made = new StringBuilder(text);
        for (int i = random.Next(1, 5); i > 0 && made.Length > 1; i--)
        {
            int at = random.Next(made.Length);
            switch (random.Next(4))
            {
                case 0: made.Remove(at, Math.Min(random.Next(1, 20), made.Length - at)); break;
                case 1: made.Insert(at, random.GetItems(["{", "}", "[", "\"", ":", ",", "\\", "\0", "\t", "&a", "*a", "!!binary ", "? ", "- ", "# ", "\n", "é", "|", "'"], 1)[0]); break;
                case 2: made[at] = (char)random.Next(1, 0x250); break;
                default: made.Length = at; break;
            }
        }
        return made.ToString();
    }

    private static string Yaml(string json) => json.Replace("{\"", "\n{\"", StringComparison.Ordinal).Replace("\":", "\": ", StringComparison.Ordinal);

    private static string Patch(Random random, string body)
    {
        string Value() => random.Next(3) == 0 ? body : Values[random.Next(Values.Length)];
        string Place() => string.Concat(Enumerable.Range(0, random.Next(0, 5)).Select(_ => "/" + random.GetItems(["metadata", "spec", "containers", "0", "-", "-1", "99", "name", "labels", "a~1b", "~", "data", ""], 1)[0]));
        return random.Next(3) switch
        {
            0 => $"[{string.Join(',', Enumerable.Range(0, random.Next(1, 4)).Select(_ => $"{{\"op\":\"{random.GetItems(["add", "remove", "replace", "move", "copy", "test", "frob"], 1)[0]}\",\"path\":\"{Place()}\",\"from\":\"{Place()}\",\"value\":{Value()}}}"))}]",
            1 => $"{{\"metadata\":{Value()},\"spec\":{{\"containers\":[{{\"name\":\"a\",\"$patch\":\"{random.GetItems(["delete", "replace", "merge", "x"], 1)[0]}\"}},{Value()}],\"$setElementOrder/containers\":{Value()},\"$deleteFromPrimitiveList/finalizers\":{Value()},\"$retainKeys\":{Value()},\"replicas\":{Value()},\"template\":{Value()}}}}}",
            _ => random.Next(2) == 0 ? Changed(random, body) : Garbled(random, body),
        };
    }
}
