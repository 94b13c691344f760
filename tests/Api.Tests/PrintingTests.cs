using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Printing;
using Eyrie.ControlPlane.Resources;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>Tables beside what kubectl shows of a real cluster for the same documents.</summary>
public sealed class PrintingTests
{
    private static string Row(string kind, string document)
    {
        var item = JsonNode.Parse(document)!.AsObject();
        item["metadata"] ??= new JsonObject { ["name"] = "x" };
        var table = Tables.Of(Kinds.All.First(known => known.Kind == kind && known.Stored), [item], [], true, "None");
        var cells = table["rows"]![0]!["cells"]!.AsArray();
        Assert.Equal(table["columnDefinitions"]!.AsArray().Count, cells.Count);
        return string.Join('|', cells.Select(cell => cell?.ToString()));
    }

    [Theory]
    [InlineData("StatefulSet", """{"spec":{"replicas":3,"template":{"spec":{"containers":[{"name":"a","image":"i:1"}]}}},"status":{"readyReplicas":2}}""", "x|2/3|<unknown>|a|i:1")]
    [InlineData("DaemonSet", """{"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"spec":{"nodeSelector":{"disk":"ssd"},"containers":[]}}},"status":{"desiredNumberScheduled":2,"numberReady":1}}""", "x|2|0|1|0|0|disk=ssd|<unknown>|<none>|<none>|a=b")]
    [InlineData("Job", """{"spec":{"completions":3,"template":{"spec":{"containers":[]}}},"status":{"succeeded":1,"startTime":"2026-01-01T00:00:00Z","completionTime":"2026-01-01T00:00:42Z","conditions":[{"type":"Complete","status":"True"}]}}""", "x|Complete|1/3|42s|<unknown>|<none>|<none>|<none>")]
    [InlineData("CronJob", """{"spec":{"schedule":"* * * * *","suspend":true}}""", "x|* * * * *|<none>|True|0|<none>|<unknown>|<none>|<none>|<none>")]
    [InlineData("PersistentVolumeClaim", """{"spec":{"volumeName":"v"},"status":{"phase":"Bound","accessModes":["ReadWriteOnce"],"capacity":{"storage":"1Gi"}}}""", "x|Bound|v|1Gi|RWO||<unset>|<unknown>|<unset>")]
    [InlineData("HorizontalPodAutoscaler", """{"spec":{"scaleTargetRef":{"kind":"Deployment","name":"d"},"minReplicas":2,"maxReplicas":9,"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"averageUtilization":80}}}]},"status":{"currentReplicas":3,"currentMetrics":[{"type":"Resource","resource":{"name":"cpu","current":{"averageUtilization":12}}}]}}""", "x|Deployment/d|cpu: 12%/80%|2|9|3|<unknown>")]
    [InlineData("PodDisruptionBudget", """{"spec":{"minAvailable":"50%"},"status":{"disruptionsAllowed":1}}""", "x|50%|N/A|1|<unknown>")]
    [InlineData("Service", """{"spec":{"type":"NodePort","clusterIP":"127.64.0.1","ports":[{"port":80,"nodePort":30080,"protocol":"TCP"}]}}""", "x|NodePort|127.64.0.1|<none>|80:30080/TCP|<unknown>|<none>")]
    [InlineData("EndpointSlice", """{"addressType":"IPv4","ports":[{"port":80}],"endpoints":[{"addresses":["1"]},{"addresses":["2"]},{"addresses":["3"]},{"addresses":["4"]}]}""", "x|IPv4|80|1,2,3 + 1 more...|<unknown>")]
    [InlineData("NetworkPolicy", """{"spec":{"podSelector":{"matchExpressions":[{"key":"a","operator":"In","values":["b","c"]}]}}}""", "x|a in (b,c)|<unknown>")]
    [InlineData("RoleBinding", """{"roleRef":{"kind":"Role","name":"r"},"subjects":[{"kind":"User","name":"u"},{"kind":"ServiceAccount","namespace":"n","name":"s"}]}""", "x|Role/r|<unknown>|u||n/s")]
    [InlineData("Ingress", """{"spec":{"ingressClassName":"c","rules":[{"host":"h"},{}]}}""", "x|c|h,*||80|<unknown>")]
    [InlineData("Pod", """{"spec":{"containers":[{}],"initContainers":[{"name":"a"},{"name":"b"}]},"status":{"phase":"Pending","initContainerStatuses":[{"name":"a","state":{"terminated":{"exitCode":0}}},{"name":"b","state":{"running":{}}}]}}""", "x|0/1|Init:1/2|0|<unknown>|<none>|<none>|<none>|<none>")]
    [InlineData("ResourceQuota", """{"spec":{"hard":{"pods":"10","limits.cpu":"4"}},"status":{"hard":{"pods":"10","limits.cpu":"4"},"used":{"pods":"2"}}}""", "x|pods: 2/10|limits.cpu: 0/4|<unknown>")]
    public void A_row_reads_as_people_know_it(string kind, string document, string expected) => Assert.Equal(expected, Row(kind, document));

    [Fact]
    public void Every_stored_kind_prints_an_object_without_any_field()
    {
        foreach (var kind in Kinds.All.Where(kind => kind.Stored)) Tables.Of(kind, [new JsonObject { ["metadata"] = new JsonObject() }], [], true, "None");
    }
}
