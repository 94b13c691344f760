using System.Globalization;
using System.Text.Json.Nodes;
using CsCheck;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Admission;
using Eyrie.ControlPlane.Controllers.Autoscaling;
using Eyrie.ControlPlane.Controllers.Disruptions;
using Eyrie.ControlPlane.Controllers.Volumes;
using Eyrie.ControlPlane.Resources;
using Eyrie.Controllers.Tests.Simulation;
using Xunit;
using static Eyrie.Controllers.Tests.Documents;

namespace Eyrie.Controllers.Tests;

/// <summary>Services, quotas, claims, budgets and autoscalers with generated inputs, each against its rule said once more by hand.</summary>
[Collection(nameof(Alone))]
public sealed class RulesPropertyTests
{
    private static readonly Gen<int> Seeds = Gen.Int[0, int.MaxValue - 1];

    private static JsonObject AnyPod(Random chance, int number)
    {
        var pod = Pod($"p{number}", chance.Next(3) == 0 ? "other" : "web", chance.Next(6) == 0 ? "" : $"127.64.16.{number + 1}", chance.Next(2) == 0, containers: $$"""[{"name":"c","ports":[{"name":"http","containerPort":{{(chance.Next(2) == 0 ? 8080 : 9090)}}}{{(chance.Next(2) == 0 ? ""","{"name":"admin","containerPort":7000}""".Replace(",\"{", ",{", StringComparison.Ordinal) : "")}}]}]""");
        string[] phases = ["Running", "Running", "Running", "Pending", "Failed", "Succeeded"];
        pod["status"]!["phase"] = phases[chance.Next(phases.Length)];
        if (chance.Next(5) == 0) pod.Metadata()["deletionTimestamp"] = "2026-01-01T00:00:00Z";
        if (chance.Next(8) == 0) pod.Metadata()["namespace"] = "elsewhere";
        return pod;
    }

    [Fact]
    public void Slices_have_exactly_the_pods_of_the_selector_with_every_port_that_they_have() => Seeds.Sample(seed =>
    {
        var chance = new Random(seed);
        var service = Service("web", """[{"name":"web","port":80,"targetPort":"http"},{"name":"admin","port":81,"targetPort":"admin"},{"name":"plain","port":82,"targetPort":7777,"protocol":"UDP"},{"name":"same","port":83}]""");
        bool early = chance.Next(4) == 0;
        if (early) service["spec"]!["publishNotReadyAddresses"] = true;
        List<JsonObject> pods = [.. Enumerable.Range(0, chance.Next(chance.Next(20) == 0 ? 240 : 12)).Select(number => AnyPod(chance, number))];
        List<JsonObject> slices = [];
        JsonObject? endpoints = null;
        for (int round = 0; round < 3; round++)
        {
            var actions = EndpointObjectsPlan.Decide(service, pods, slices, endpoints);
            foreach (var action in actions)
                switch (action)
                {
                    case CreateObject made when made.Kind == Kinds.EndpointSlice: made.Document.Metadata()["uid"] = Guid.NewGuid().ToString(); slices.Add(made.Document); break;
                    case UpdateObject changed when changed.Kind == Kinds.EndpointSlice: slices[slices.FindIndex(slice => slice.Name() == changed.Document.Name())] = changed.Document; break;
                    case DeleteObject gone: slices.RemoveAll(slice => slice.Name() == gone.Name.Name); break;
                    case CreateObject made: endpoints = made.Document; break;
                    case UpdateObject changed: endpoints = changed.Document; break;
                }
            Assert.Empty(EndpointObjectsPlan.Decide(service, pods, slices, endpoints)); // and nothing more
            Assert.All(slices, slice => Assert.InRange(slice["endpoints"]!.AsArray().Count, 0, 100));
            var told = slices.SelectMany(slice => slice["endpoints"]!.AsArray().SelectMany(endpoint => slice["ports"]!.AsArray().Select(port =>
                $"{endpoint!["addresses"]![0]} {port!["name"]} {port["port"]} {port["protocol"]} ready={endpoint["conditions"]!["ready"]} serving={endpoint["conditions"]!["serving"]} terminating={endpoint["conditions"]!["terminating"]}"))).Order().ToList();
            var expected = new List<string>();
            foreach (var pod in pods.Where(pod => pod.Namespace() == "default" && pod.Metadata()["labels"]!["app"]!.ToString() == "web" && pod.PodAddress().Length > 0 && pod.Phase() is not ("Failed" or "Succeeded")))
            {
                bool serving = pod.Condition("Ready")!.Text("status") == "True", going = pod.Metadata()["deletionTimestamp"] is not null;
                foreach (var (name, port, protocol) in new[] { ("web", Port(pod, "http"), "TCP"), ("admin", Port(pod, "admin"), "TCP"), ("plain", 7777, "UDP"), ("same", 83, "TCP") })
                    if (port > 0) expected.Add($"{pod.PodAddress()} {name} {port} {protocol} ready={(early || (serving && !going) ? "true" : "false")} serving={(serving ? "true" : "false")} terminating={(going ? "true" : "false")}");
            }
            Assert.True(expected.Order().SequenceEqual(told), $"seed {seed}: {string.Join("; ", expected.Except(told))} are not told, {string.Join("; ", told.Except(expected))} are");
            for (int i = 0; i < pods.Count; i++)
                if (chance.Next(4) == 0) pods[i] = AnyPod(chance, i);
        }

        static int Port(JsonObject pod, string name) => pod["spec"]!["containers"]![0]!["ports"]!.AsArray().FirstOrDefault(port => port!["name"]!.ToString() == name)?["containerPort"].Int() ?? 0;
    }, iter: 400);

    private static readonly ResourceKind Widget = new("example.com", "v1", "Widget", "widgets", "widget", true);

    [Fact]
    public void Whatever_is_made_changed_and_removed_no_quota_is_exceeded_and_what_is_told_is_what_is_there() => Seeds.Sample(seed =>
    {
        var chance = new Random(seed);
        var quota = Json("""{"metadata":{"name":"q","namespace":"default"},"spec":{"hard":{"pods":"4","requests.cpu":"1","limits.memory":"1Gi","count/configmaps":"3","services":"3","services.nodeports":"2","persistentvolumeclaims":"2","requests.storage":"10Gi","fast.storageclass.storage.k8s.io/requests.storage":"5Gi","count/widgets.example.com":"2"}}}""");
        if (chance.Next(4) == 0) quota["spec"]!["scopes"] = new JsonArray("NotBestEffort");
        var there = new List<(ResourceKind Kind, JsonObject Document)>();
        var used = Quotas.Sum(quota, there);
        for (int step = 0; step < 60; step++)
        {
            if (chance.Next(4) == 0 && there.Count > 0)
            {
                var gone = there[chance.Next(there.Count)];
                there.Remove(gone);
                Quantities.Add(used, Quotas.Usage(quota, gone.Kind, gone.Document).Select(pair => KeyValuePair.Create(pair.Key, -pair.Value)));
            }
            else
            {
                var (kind, document) = Any(chance, step);
                var before = Quotas.MayChange(kind) && chance.Next(2) == 0 ? there.FirstOrDefault(entry => entry.Kind == kind).Document : null;
                if (Quotas.Refusal(quota, kind, document, before, used) is null)
                {
                    Quantities.Add(used, Quotas.Difference(quota, kind, document, before));
                    if (before is not null) there.RemoveAll(entry => entry.Document == before);
                    there.Add((kind, document));
                }
            }
            var hard = Quantities.Of(quota["spec"]!["hard"]);
            Assert.All(hard, bound => Assert.True(ByHand(quota, there, bound.Key) <= bound.Value, $"seed {seed}: {bound.Key}"));
            Assert.All(hard, bound => Assert.True(ByHand(quota, there, bound.Key) == used.GetValueOrDefault(bound.Key) && Quotas.Sum(quota, there)[bound.Key] == used.GetValueOrDefault(bound.Key), $"seed {seed}: {bound.Key} is {ByHand(quota, there, bound.Key)}, told {used.GetValueOrDefault(bound.Key)}"));
        }
    }, iter: 100);

    private static (ResourceKind, JsonObject) Any(Random chance, int number)
    {
        string[] cpus = ["100m", "300m", "1"], memories = ["100Mi", "512Mi", "1Gi"], sizes = ["1Gi", "4Gi", "8Gi"];
        JsonObject Named(string more) => Json("{\"metadata\":{\"name\":\"o" + number.ToString(CultureInfo.InvariantCulture) + "\",\"namespace\":\"default\"}" + more + "}");
        return chance.Next(6) switch
        {
            0 => (Kinds.Pod, Named(",\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"" + cpus[chance.Next(3)] + "\"},\"limits\":{\"memory\":\"" + memories[chance.Next(3)] + "\"}}}]},\"status\":{\"phase\":\"" + (chance.Next(5) == 0 ? "Succeeded" : "Running") + "\"}")),
            1 => (Kinds.ConfigMap, Named("")),
            2 => (Kinds.Service, Named(",\"spec\":{\"type\":\"" + (chance.Next(2) == 0 ? "NodePort" : "ClusterIP") + "\",\"ports\":[{\"port\":80}" + (chance.Next(2) == 0 ? ",{\"port\":81}" : "") + "]}")),
            3 => (Kinds.PersistentVolumeClaim, Named(",\"spec\":{\"storageClassName\":\"" + (chance.Next(2) == 0 ? "fast" : "slow") + "\",\"resources\":{\"requests\":{\"storage\":\"" + sizes[chance.Next(3)] + "\"}}}")),
            4 => (Widget, Named(",\"spec\":{\"size\":3}")),
            _ => (Kinds.Secret, Named("")),
        };
    }

    private static decimal ByHand(JsonObject quota, IEnumerable<(ResourceKind Kind, JsonObject Document)> there, string name)
    {
        if (quota["spec"]!["scopes"] is not null) there = there.Where(entry => entry.Kind == Kinds.Pod); // scopes are of pods, and none of these asks for nothing
        decimal Amount(JsonNode? text) => Quantities.Parse(text) ?? 0;
        var pods = there.Where(entry => entry.Kind == Kinds.Pod && entry.Document.Phase() != "Succeeded").Select(entry => entry.Document["spec"]!["containers"]![0]!["resources"]!);
        var claims = there.Where(entry => entry.Kind == Kinds.PersistentVolumeClaim).Select(entry => entry.Document["spec"]!).ToList();
        return name switch
        {
            "pods" => pods.Count(), "requests.cpu" => pods.Sum(resources => Amount(resources["requests"]!["cpu"])), "limits.memory" => pods.Sum(resources => Amount(resources["limits"]!["memory"])),
            "count/configmaps" => there.Count(entry => entry.Kind == Kinds.ConfigMap), "count/widgets.example.com" => there.Count(entry => entry.Kind == Widget), "services" => there.Count(entry => entry.Kind == Kinds.Service),
            "services.nodeports" => there.Where(entry => entry.Kind == Kinds.Service && entry.Document["spec"]!["type"]!.ToString() == "NodePort").Sum(entry => entry.Document["spec"]!["ports"]!.AsArray().Count),
            "persistentvolumeclaims" => claims.Count, "requests.storage" => claims.Sum(spec => Amount(spec["resources"]!["requests"]!["storage"])),
            "fast.storageclass.storage.k8s.io/requests.storage" => claims.Where(spec => spec["storageClassName"]!.ToString() == "fast").Sum(spec => Amount(spec["resources"]!["requests"]!["storage"])),
            _ => throw new InvalidOperationException(name),
        };
    }

    /// <summary>Claims are made, used, let go and deleted, nodes remove directories, in any order and with crashes between writes.</summary>
    [Fact]
    public void A_claim_in_use_stays_its_volume_is_nobody_elses_and_a_directory_is_removed_before_its_object() => Seeds.Sample(seed =>
    {
        var (chance, now) = (new Random(seed), new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
        var store = new SimulatedStore(chance, () => now);
        store.Put(Kinds.StorageClass, ObjectStamp.New(Kinds.StorageClass, LocalVolume.StorageClass(), Guid.NewGuid(), now, ""));
        foreach (var node in new[] { "n0", "n1" }) store.Put(Kinds.Node, Scheduling.Clusters.Node(node));
        var at = new Dictionary<string, string>(); // nodes that users of a claim were on, by claim and node
        var (claimPlan, volumePlan) = (WorkloadKinds.All.Single(kind => kind.Kind == Kinds.PersistentVolumeClaim), WorkloadKinds.All.Single(kind => kind.Kind == Kinds.PersistentVolume));
        void Decide(bool whole)
        {
            foreach (var plan in new[] { claimPlan, volumePlan })
                foreach (var item in store.All(plan.Kind).ToList())
                {
                    var cache = new ObjectCache();
                    foreach (var kind in new[] { Kinds.PersistentVolumeClaim, Kinds.PersistentVolume, Kinds.Pod, Kinds.StorageClass, Kinds.Node })
                        cache.Apply(kind, [.. store.All(kind).Select(found => new ObjectChange(ChangeType.Added, kind, ObjectStamp.NameOf(found), found, (JsonObject?)null))], new ControlPlane.Store.Revision(store.Log.Count));
                    var actions = plan.Decide(item, cache, now);
                    foreach (var action in actions.Take(whole || chance.Next(4) > 0 ? actions.Count : chance.Next(actions.Count + 1))) store.Apply(action);
                }
        }
        bool Uses(JsonObject pod, JsonObject claim) => pod["spec"]!["volumes"]![0]!["persistentVolumeClaim"]!["claimName"]!.ToString() == claim.Name() && pod.NodeName().Length > 0 && !pod.IsOver();
        void Directories()
        {
            foreach (var volume in store.All(Kinds.PersistentVolume).Where(LocalVolume.IsToBeRemoved).ToList())
                if (chance.Next(2) == 0) store.Apply(new UpdateObject(Kinds.PersistentVolume, LocalVolume.Removed(volume)));
        }
        for (int step = 0; step < 60; step++)
        {
            var name = $"c{chance.Next(2)}";
            var claim = store.Get(Kinds.PersistentVolumeClaim, new ObjectName("default", name));
            var before = store.All(Kinds.PersistentVolumeClaim).Where(found => store.All(Kinds.Pod).Any(pod => Uses(pod, found))).Select(found => found.Uid()).ToList();
            var unremoved = store.All(Kinds.PersistentVolume).Where(volume => !LocalVolume.IsRemoved(volume)).Select(volume => volume.Name()).ToList();
            switch (chance.Next(7))
            {
                case 0 when claim is null: store.Put(Kinds.PersistentVolumeClaim, ObjectStamp.New(Kinds.PersistentVolumeClaim, Json("{\"metadata\":{\"name\":\"" + name + "\",\"namespace\":\"default\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}},\"status\":{\"phase\":\"Pending\"}}"), new Guid(seed, (short)step, 0, new byte[8]), now, "")); break;
                case 1 when claim is not null && !claim.IsDeleted():
                    var terms = claim["spec"]!["volumeName"] is { } volume && store.Get(Kinds.PersistentVolume, new ObjectName("", volume.ToString())) is { } bound ? LocalVolume.NodeOf(bound) : null;
                    var there = terms ?? store.All(Kinds.Pod).Where(pod => Uses(pod, claim)).Select(pod => pod.NodeName()).FirstOrDefault() ?? $"n{chance.Next(2)}"; // as the scheduler places
                    at[claim.Uid() + there] = there;
                    store.Put(Kinds.Pod, ObjectStamp.New(Kinds.Pod, Json("{\"metadata\":{\"name\":\"p" + step.ToString(CultureInfo.InvariantCulture) + "\",\"namespace\":\"default\"},\"spec\":{\"nodeName\":\"" + there + "\",\"volumes\":[{\"name\":\"v\",\"persistentVolumeClaim\":{\"claimName\":\"" + name + "\"}}]},\"status\":{\"phase\":\"Running\"}}"), new Guid(seed, (short)step, 1, new byte[8]), now, ""));
                    break;
                case 2 when store.All(Kinds.Pod).FirstOrDefault() is { } pod: store.Remove(Kinds.Pod, ObjectStamp.NameOf(pod)); break;
                case 3 when claim?.Metadata()["finalizers"] is not null && chance.Next(2) == 0: store.Delete(Kinds.PersistentVolumeClaim, claim); break;
                case 4: Directories(); break;
                default: Decide(false); break;
            }
            var claims = store.All(Kinds.PersistentVolumeClaim).ToList();
            foreach (var uid in before.Where(uid => claims.All(found => found.Uid() != uid))) Assert.True(store.Log[^1].Kind == Kinds.Pod || store.All(Kinds.Pod).All(pod => pod["spec"]!["volumes"]![0]!["persistentVolumeClaim"]!["claimName"]!.ToString() != store.Log.Last(change => change.Document.Uid() == uid).Name.Name), $"seed {seed}, step {step}: a claim in use is gone");
            var volumes = store.All(Kinds.PersistentVolume).ToList();
            Assert.True(claims.Select(found => found["spec"]!["volumeName"]?.ToString()).Where(found => found is not null).GroupBy(found => found).All(group => group.Count() == 1), $"seed {seed}, step {step}: two claims of one volume");
            Assert.True(volumes.All(found => at.ContainsKey(found["spec"]!["claimRef"]!["uid"]!.ToString() + LocalVolume.NodeOf(found))), $"seed {seed}, step {step}: a volume where no user was");
            Assert.True(unremoved.All(gone => volumes.Any(found => found.Name() == gone)), $"seed {seed}, step {step}: a volume went before its directory");
        }
        foreach (var pod in store.All(Kinds.Pod).ToList()) store.Remove(Kinds.Pod, ObjectStamp.NameOf(pod));
        for (int round = 0; round < 8; round++) Decide(true);
        foreach (var claim in store.All(Kinds.PersistentVolumeClaim).ToList()) store.Delete(Kinds.PersistentVolumeClaim, claim);
        for (int round = 0; round < 30; round++) { Decide(true); Directories(); }
        Assert.True(!store.All(Kinds.PersistentVolumeClaim).Any() && !store.All(Kinds.PersistentVolume).Any(), $"seed {seed}: something is left");
    }, iter: 500);

    [Fact]
    public void A_budget_allows_what_is_healthy_beyond_what_must_be() => Gen.Select(Seeds, Gen.Int[0, 8], Gen.Int[0, 130], Gen.Int[0, 3]).Sample((seed, replicas, number, sort) =>
    {
        var chance = new Random(seed);
        bool percent = sort % 2 == 0, least = sort < 2;
        var value = percent ? $"\"{number}%\"" : $"{number % 10}";
        var budget = Json("{\"metadata\":{\"name\":\"b\",\"namespace\":\"default\",\"uid\":\"b\",\"generation\":1},\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"a\"}},\"" + (least ? "minAvailable" : "maxUnavailable") + "\":" + value + "}}");
        var set = Json("{\"metadata\":{\"name\":\"set\",\"namespace\":\"default\",\"uid\":\"set\"},\"spec\":{\"replicas\":" + replicas.ToString(CultureInfo.InvariantCulture) + "}}");
        List<JsonObject> pods = [.. Enumerable.Range(0, chance.Next(1, 9)).Select(index => Pod($"p{index}", chance.Next(4) == 0 ? "b" : "a", "127.0.0.1", chance.Next(3) > 0, chance.Next(5) == 0))];
        foreach (var pod in pods) pod.Metadata()["ownerReferences"] = new JsonArray(new JsonObject { ["controller"] = true, ["apiVersion"] = "apps/v1", ["kind"] = "ReplicaSet", ["name"] = "set", ["uid"] = "set" });
        var covered = pods.Where(pod => pod.Metadata()["labels"]!["app"]!.ToString() == "a").ToList();
        int healthy = covered.Count(pod => pod.IsReady() && !pod.IsDeleted()), expected = least && !percent ? covered.Count : covered.Count == 0 ? 0 : replicas;
        int bound = percent ? (int)Math.Ceiling(expected * number / 100.0) : number % 10, desired = least ? bound : Math.Max(0, expected - bound);
        var status = DisruptionBudgetPlan.Decide(budget, pods, (_, _) => set, DateTimeOffset.UnixEpoch).OfType<UpdateObjectStatus>().Single().Document["status"]!;
        Assert.Equal((healthy, desired, expected <= 0 ? 0 : Math.Max(0, healthy - desired)), (status["currentHealthy"].Int(), status["desiredHealthy"].Int(), status["disruptionsAllowed"].Int()));
    });

    /// <summary>Recommendations come and go: the size stays in its bounds, falls no lower than the highest wish of the last window, and rises no higher than asked.</summary>
    [Fact]
    public void An_autoscaler_stays_in_its_bounds_and_falls_only_when_nobody_wanted_more_for_the_window() => Gen.Select(Gen.Int[0, 30].Array[1, 60], Gen.Int[0, 120], Gen.Int[1, 5], Gen.Int[5, 20]).Sample((asked, window, least, most) =>
    {
        var spec = Json(string.Create(CultureInfo.InvariantCulture, $$"""{"minReplicas":{{least}},"maxReplicas":{{most}},"behavior":{"scaleUp":{"policies":[{"type":"Percent","value":900,"periodSeconds":15},{"type":"Pods","value":30,"periodSeconds":15}]},"scaleDown":{"stabilizationWindowSeconds":{{window}},"policies":[{"type":"Percent","value":100,"periodSeconds":15}]} } }"""));
        var (memory, current, now) = (ScalingMemory.Empty, least, new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
        var wishes = new List<(DateTimeOffset At, int Wish)>();
        foreach (int wish in asked)
        {
            now = now.AddSeconds(15);
            wishes.Add((now, wish));
            memory = memory.Recommending(wish, now);
            int next = ScalingBehavior.Bound(spec, current, wish, memory, now).Replicas, highest = wishes.Where(entry => entry.At >= now.AddSeconds(-window)).Max(entry => entry.Wish);
            Assert.Equal(Math.Clamp(wish > current ? wish : highest < current ? highest : current, least, most), next);
            if (next != current) memory = memory.Changing(next - current, now);
            current = next;
        }
    });
}
