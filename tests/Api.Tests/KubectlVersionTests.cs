using Eyrie.EndToEnd.Tests;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>The verbs of daily work with the oldest and the newest kubectl of this machine: both print the same.</summary>
[Collection(nameof(ApiServer))]
public sealed class KubectlVersionTests(ApiServer server)
{
    private const string Manifest = """
        cat > daily.yaml <<'END'
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: d, labels: {app: d}}
        spec:
          replicas: 0
          selector: {matchLabels: {app: d}}
          template:
            metadata: {labels: {app: d}}
            spec:
              containers:
              - {name: a, image: 'hello:1', permissions: {clock: read}}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: s}
        spec: {selector: {app: d}, ports: [{name: http, port: 80, targetPort: 8080}]}
        ---
        apiVersion: batch/v1
        kind: Job
        metadata: {name: j}
        spec:
          completions: 2
          suspend: true
          template: {spec: {restartPolicy: Never, containers: [{name: a, image: 'hello:1'}]}}
        END

        """;

    public static TheoryData<string> Programs => [.. KubectlPrograms.Ends];

    private async Task SameAsync(string expected, string @namespace, string program, string script)
    {
        var home = $"{@namespace}-{KubectlPrograms.All.ToList().IndexOf(program)}";
        var output = (await server.KubectlAsync(home, $"N={home}\n{Manifest}{script}", program)).Replace(home, "NS", StringComparison.Ordinal);
        Assert.Equal(expected.Trim(), string.Join('\n', output.Split('\n').Select(line => line.TrimEnd())).Trim());
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public Task Apply_patch_scale_label_annotate_and_delete(string program) => SameAsync("""
        deployment.apps/d created
        service/s created
        job.batch/j created
        deployment.apps/d unchanged
        service/s unchanged
        job.batch/j unchanged
        deployment.apps/d configured
        service/s unchanged
        job.batch/j unchanged
        hello:2 {"clock":"read"}
        deployment.apps/d serverside-applied
        service/s serverside-applied
        job.batch/j serverside-applied
        service/s patched
        80 81
        service/s patched
        service/s patched
        80 ClientIP
        deployment.apps/d scaled
        1
        error: Expected replicas to be 5, was 1
        deployment.apps/d scaled
        0
        service/s labeled
        error: 'team' already has a value (red), and --overwrite is false
        service/s labeled
        service/s unlabeled
        x
        deployment.apps "d" deleted
        service "s" deleted
        job.batch "j" deleted
        Error from server (NotFound): services "s" not found
        """, "written", program, """
        exec 2>&1
        K apply -f daily.yaml
        K apply -f daily.yaml
        sed -i 's/hello:1., perm/hello:2'"'"', perm/' daily.yaml
        K apply -f daily.yaml
        K get deploy d -o 'jsonpath={.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].permissions}{"\n"}'
        K apply -f daily.yaml --server-side --force-conflicts
        K patch svc s -p '{"spec":{"ports":[{"name":"admin","port":81}]}}'
        K get svc s -o 'jsonpath={.spec.ports[*].port}{"\n"}'
        K patch svc s --type=json -p '[{"op":"remove","path":"/spec/ports/1"}]'
        K patch svc s --type=merge -p '{"spec":{"sessionAffinity":"ClientIP"}}'
        K get svc s -o 'jsonpath={.spec.ports[*].port} {.spec.sessionAffinity}{"\n"}'
        K scale deploy/d --replicas=1
        K get deploy d --subresource=scale -o 'jsonpath={.spec.replicas}{"\n"}'
        K scale deploy/d --replicas=0 --current-replicas=5
        K scale deploy/d --replicas=0 --current-replicas=1
        K get deploy d -o 'jsonpath={.spec.replicas}{"\n"}'
        K label svc s team=red
        K label svc s team=blue
        K label svc s team=blue --overwrite
        K label svc s team-
        K annotate svc s note=x >/dev/null
        K get svc s -o 'jsonpath={.metadata.annotations.note}{"\n"}'
        K annotate svc s note- >/dev/null
        K delete -f daily.yaml
        K get svc s
        """);

    [Theory]
    [MemberData(nameof(Programs))]
    public Task Get_in_every_form_explain_api_resources_and_describe(string program) => SameAsync("""
        d 0/0 a hello:1 app=d
        clock: read
        "targetPort": 8080
        deployment.apps/d
        service/s
        job.batch/j
        http 80
        NAME   PORT
        s      80
        s 8080
        d app=d
        d d
        NS d 0/0
        deployment.apps/d
        job.batch/j
        service/s
        FIELD: replicas <integer>
        FIELD: clock <string>
        controllerrevisions apps/v1 true ControllerRevision
        daemonsets ds apps/v1 true DaemonSet
        deployments deploy apps/v1 true Deployment
        replicasets rs apps/v1 true ReplicaSet
        statefulsets sts apps/v1 true StatefulSet
        cronjobs.batch daemonsets.apps deployments.apps horizontalpodautoscalers.autoscaling jobs.batch pods replicasets.apps replicationcontrollers services statefulsets.apps
        Name: s
        Selector: app=d
        Type: ClusterIP
        Port: http 80/TCP
        TargetPort: 8080/TCP
        Name: j
        Parallelism: 1
        Completions: 2
        Completion Mode: NonIndexed
        Image: hello:1
        """, "read", program, """
        exec 2>&1
        words() { awk '{$1=$1; print}'; }
        K apply -f daily.yaml >/dev/null
        K get deploy d -o wide --no-headers | awk '{print $1, $2, $6, $7, $8}'
        K get deploy d -o yaml | grep 'clock: read' | words
        K get svc s -o json | grep -o '"targetPort": 8080'
        K get deploy/d svc/s job/j -o name
        K get svc s -o 'jsonpath={range .spec.ports[?(@.name=="http")]}{.name} {.port}{end}{"\n"}'
        K get svc -o custom-columns=NAME:.metadata.name,PORT:.spec.ports[0].port
        K get svc s -o go-template='{{.metadata.name}} {{(index .spec.ports 0).targetPort}}{{"\n"}}'
        K get deploy --show-labels --no-headers | awk '{print $1, $NF}'
        K get deploy -L app --no-headers | awk '{print $1, $NF}'
        K label deploy d home=$N >/dev/null
        K get deploy -A -l home=$N --no-headers | awk '{print $1, $2, $3}'
        K get all -o name | grep -v replicaset | sort
        K explain deployments.spec.replicas | grep FIELD | words
        K explain pods.spec.containers.permissions.clock | grep FIELD | words
        K api-resources --api-group=apps --no-headers | sort | words
        K api-resources --categories=all -o name | sort | xargs
        K describe svc s | grep -E '^(Name|Selector|Type|Port|TargetPort):' | words
        K describe job j | grep -E '^(Name|Parallelism|Completions|Completion Mode|    Image):' | words
        K delete -f daily.yaml >/dev/null
        """);

    [Theory]
    [MemberData(nameof(Programs))]
    public Task Get_watches_and_lists_in_parts(string program) => SameAsync("""
        w1
        ADDED w1
        MODIFIED w1
        ADDED w2
        DELETED w2
        configmap/w1 once
        configmap/w1
        configmap/w3
        configmap/w4
        configmap/w5
        w1 w3 w4 w5
        """, "watched", program, """
        exec 2>&1
        seen() { for i in $(seq 1200); do grep -q "$1" $2 && return; sleep 0.05; done; echo "waited 60 s for $1 in $2, which has:"; cat $2; }
        K create configmap w1 -o jsonpath='{.metadata.name}{"\n"}'
        K label configmap w1 watched=yes >/dev/null
        K get configmaps -l watched=yes --watch --output-watch-events -o jsonpath='{.type} {.object.metadata.name}{"\n"}' > events 2>&1 & events=$!
        K get configmap w1 --watch-only -o name > changes 2>&1 & changes=$!
        seen 'ADDED w1' events
        for i in $(seq 200); do grep -q w1 changes && break; K annotate configmap w1 --overwrite touched=$i >/dev/null; sleep 0.05; done
        seen 'MODIFIED w1' events
        K create configmap w2 >/dev/null
        K label configmap w2 watched=yes >/dev/null
        seen 'ADDED w2' events
        K label configmap w2 watched- >/dev/null
        seen 'DELETED w2' events
        kill $events $changes
        uniq events
        sort -u changes | sed 's/$/ once/'
        K delete configmap w2 >/dev/null
        for i in 3 4 5; do K create configmap w$i >/dev/null; done
        K get configmaps --chunk-size=2 -o name --field-selector metadata.name!=kube-root-ca.crt
        K get --raw "/api/v1/namespaces/$N/configmaps?limit=2" > first
        K get --raw "/api/v1/namespaces/$N/configmaps?limit=2&continue=$(grep -o '"continue":"[^"]*' first | cut -d'"' -f4)" > second
        cat first second | grep -o '"metadata":{"name":"[^"]*\|"name":"w[0-9]"' | grep -o 'w[0-9]' | uniq | xargs
        """);

    [Theory]
    [MemberData(nameof(Programs))]
    public Task Rollout_history_says_why_and_describe_shows_what_a_Service_is_by_default(string program) => SameAsync("""
        REVISION  CHANGE-CAUSE
        1         first
        2         second
        IP Family Policy: SingleStack
        IP Families: IPv4
        Internal Traffic Policy: Cluster
        """, "told", program, """
        exec 2>&1
        history() { for i in $(seq 200); do K rollout history deploy/d | grep -q "$1" && return; sleep 0.05; done; echo "waited 10 s for $1"; }
        K apply -f daily.yaml >/dev/null
        K annotate deploy d kubernetes.io/change-cause=first >/dev/null
        history first
        K set image deploy/d a=hello:2 >/dev/null
        K annotate deploy d kubernetes.io/change-cause=second --overwrite >/dev/null
        history second
        K rollout history deploy/d | grep -v '^deploy\|^$'
        K describe svc s | grep -E '^IP Famil' | awk '{$1=$1; print}'
        K get svc s -o 'jsonpath={.spec.internalTrafficPolicy}' | sed 's/^/Internal Traffic Policy: /'; echo
        K delete -f daily.yaml >/dev/null
        """);

    /// <summary>The oldest sends <c>spec: {}</c> with a namespace and <c>status: {}</c> with a pod.</summary>
    [Theory]
    [MemberData(nameof(Programs))]
    public Task A_namespace_goes_with_everything_in_it(string program) => SameAsync("""
        ["kubernetes"] Active
        Pending BestEffort
        ["kubernetes"] Active
        namespace "NS-emptied" deleted
        """, "emptied", program, """
        exec 2>&1
        K create ns $N-emptied >/dev/null
        show() { K get ns $N-emptied -o 'jsonpath={.spec.finalizers} {.status.phase}{"\n"}'; }
        show
        K run p -n $N-emptied --image=hello:1 >/dev/null
        K get pod p -n $N-emptied -o 'jsonpath={.status.phase} {.status.qosClass}{"\n"}'
        K create secret generic s -n $N-emptied >/dev/null
        K create cronjob c -n $N-emptied --image=hello:1 --schedule='0 0 1 1 *' >/dev/null
        printf 'apiVersion: v1\nkind: Namespace\nmetadata: {name: %s-emptied}\nspec: {}\nstatus: {}\n' $N | K replace -f - >/dev/null
        show
        K delete ns $N-emptied --timeout=60s
        K get pods,secrets,cronjobs -n $N-emptied -o name
        """);
}
