using Eyrie.Tests;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>Daily work with the real kubectl, and what it prints.</summary>
[Takes(50)]
public sealed class KubectlTests(HelloCluster cluster) : IClassFixture<HelloCluster>
{
    /// <summary>Commands of a shell in a namespace of their own; K is kubectl.</summary>
    private async Task<string> DoAsync(string @namespace, string script, int code = 0)
    {
        var (ended, output) = await Shell.RunAsync("sh", ["-c", $"K() {{ kubectl -n {@namespace} \"$@\"; }}\nkubectl get ns {@namespace} >/dev/null 2>&1 || kubectl create ns {@namespace} >/dev/null\n{script}"],
            new Dictionary<string, string> { ["KUBECONFIG"] = Path.Combine(cluster.State, "kubeconfig") });
        Assert.True(ended == code, $"exit code {ended}:\n{output}");
        return output;
    }

    private static void Lines(string output, params string[] expected) => Assert.Equal(string.Join('\n', expected), string.Join('\n', output.Trim().Split('\n').Select(line => line.TrimEnd())));

    [Fact]
    public async Task Create_get_label_annotate_patch_edit_and_delete() =>
        Lines(await DoAsync("daily", """
            K create configmap c --from-literal=a=1
            K get cm c -o 'jsonpath={.data.a}{"\n"}'
            K get cm c --no-headers | awk '{print $1, $2}'
            K get cm c -o name
            K label cm c team=red
            K label cm c team=blue 2>&1 | cut -d: -f1-2
            K label cm c team=blue --overwrite
            K get cm -l team=blue -o name
            K get cm -l 'team in (red,green)' -o name 2>&1
            K annotate cm c note=x
            K patch cm c -p '{"data":{"b":"2"}}'
            K patch cm c --type=json -p '[{"op":"remove","path":"/data/a"}]'
            K patch cm c --type=merge -p '{"data":{"d":"4"}}'
            EDITOR='sed -i /^..d:/s/4/5/' K edit cm c
            K get cm c -o go-template='{{range $k,$v := .data}}{{$k}}={{$v}} {{end}}{{"\n"}}'
            K get cm c -o custom-columns=N:.metadata.name,D:.data.d --no-headers | awk '{print $1, $2}'
            K delete cm c
            K get cm c 2>&1
            true
            """),
            "configmap/c created", "1", "c 1", "configmap/c", "configmap/c labeled", "error: 'team' already has a value (red), and --overwrite is false", "configmap/c labeled", "configmap/c", "configmap/c annotated", "configmap/c patched",
            "configmap/c patched", "configmap/c patched", "configmap/c edited", "b=2 d=5", "c 5", "configmap \"c\" deleted", "Error from server (NotFound): configmaps \"c\" not found");

    [Fact]
    public async Task Apply_diff_prune_and_server_side_with_conflicts()
    {
        var output = await DoAsync("applied", """
            printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {app: x}}\ndata: {k: "1"}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, labels: {app: x}}\n' > $TMP
            K apply -f $TMP
            K apply -f $TMP
            sed -i 's/"1"/"2"/' $TMP
            K diff -f $TMP | grep '^[-+] ' ; echo diff $?
            printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {app: x}}\ndata: {k: "2"}\n' > $TMP
            K apply -f $TMP --prune -l app=x 2>/dev/null
            K apply -f $TMP --server-side --field-manager=other 2>&1 | head -1
            sed -i 's/"2"/"3"/' $TMP
            K apply -f $TMP --server-side --field-manager=third 2>&1 | head -1
            K apply -f $TMP --server-side --field-manager=third --force-conflicts
            K get cm a -o 'jsonpath={.data.k}{"\n"}'
            """.Replace("$TMP", Path.Combine(cluster.State, "applied.yaml"), StringComparison.Ordinal));
        Assert.Contains("configmap/a created\nconfigmap/b created\nconfigmap/a unchanged\nconfigmap/b unchanged\n", output, StringComparison.Ordinal);
        Assert.Contains("-  k: \"1\"\n+  k: \"2\"\n", output, StringComparison.Ordinal);
        Assert.Contains("configmap/a configured\nconfigmap/b pruned\n", output, StringComparison.Ordinal);
        Assert.Contains("conflict", output, StringComparison.Ordinal);
        Assert.EndsWith("configmap/a serverside-applied\n3\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_Deployment_from_the_command_line_scales_pauses_and_goes_back()
    {
        var output = await DoAsync("rolled", """
            K create deployment web --image=hello:1 --replicas=2 -- sh -c 'sleep 1000'
            K rollout status deploy/web --timeout=60s | tail -1
            K scale deploy/web --replicas=1
            K wait deploy/web --for=jsonpath='{.status.replicas}'=1 --timeout=60s
            K set env deploy/web A=b
            K rollout status deploy/web --timeout=60s | tail -1
            K rollout history deploy/web | grep -c '^[0-9]'
            K rollout pause deploy/web
            K set image deploy/web hello=hello:2
            K rollout resume deploy/web
            K rollout status deploy/web --timeout=60s | tail -1
            K get deploy web -o wide --no-headers | awk '{print $1, $2, $7}'
            K rollout undo deploy/web --to-revision=1
            K rollout status deploy/web --timeout=60s | tail -1
            K get deploy web -o 'jsonpath={.spec.template.spec.containers[0].image}{"\n"}'
            K rollout restart deploy/web
            K rollout status deploy/web --timeout=60s | tail -1
            K expose deploy/web --port=80 --target-port=8080
            K get svc web --no-headers | awk '{print $2, $5}'
            K autoscale deploy/web --min=1 --max=3 --cpu-percent=80
            K delete deploy/web svc/web hpa/web
            """);
        const string Done = "deployment \"web\" successfully rolled out";
        Lines(output, "deployment.apps/web created", Done, "deployment.apps/web scaled", "deployment.apps/web condition met", "deployment.apps/web env updated", Done, "2", "deployment.apps/web paused", "deployment.apps/web image updated",
            "deployment.apps/web resumed", Done, "web 1/1 hello:2", "deployment.apps/web rolled back", Done, "hello:1", "deployment.apps/web restarted", Done, "service/web exposed", "ClusterIP 80/TCP", "horizontalpodautoscaler.autoscaling/web autoscaled",
            "deployment.apps \"web\" deleted", "service \"web\" deleted", "horizontalpodautoscaler.autoscaling \"web\" deleted");
    }

    [Fact]
    public async Task A_pod_by_run_its_logs_and_a_wait()
    {
        var output = await DoAsync("ran", """
            K run once --image=hello:1 --restart=Never --command -- sh -c 'echo one; echo two; exit 3'
            K wait pod/once --for=jsonpath='{.status.phase}'=Failed --timeout=60s
            K logs once --tail=1
            K get pod once -o 'jsonpath={.status.containerStatuses[0].state.terminated.exitCode}{"\n"}'
            K get pod once --no-headers | awk '{print $3}'
            K patch pod once -p '{"spec":{"nodeName":"elsewhere"}}' 2>&1 | head -1
            K get pods --field-selector=foo=bar 2>&1 | head -1
            K logs once --previous 2>&1
            K run never --image=nowhere:1 --restart=Never
            for i in $(seq 300); do K get pod never -o 'jsonpath={.status.containerStatuses[*].state.waiting.reason}' | grep -q . && break; sleep 0.1; done
            K logs never 2>&1
            K delete pod once never --force 2>/dev/null | wc -l
            """);
        Assert.True(output.StartsWith("pod/once created\npod/once condition met\ntwo\n3\nError\nThe Pod \"once\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`, `spec.containers[*].permissions`, `spec.tolerations` (only additions)\nError from server (BadRequest): Unable to find \"/v1, Resource=pods\" that match label selector \"\", field selector \"foo=bar\": field label not supported: foo\nError from server (BadRequest): previous terminated container \"once\" in pod \"once\" not found\npod/never created\nError from server (BadRequest): container \"never\" in pod \"never\" is waiting to start: ", StringComparison.Ordinal), output);
        Assert.EndsWith("\n2\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_orphaned_stays_and_a_node_that_is_there_comes_back() =>
        Lines(await DoAsync("orphans", """
            K create deployment web --image=hello:1 -- sh -c 'sleep 1000'
            K rollout status deploy/web --timeout=60s | tail -1
            K delete deploy web --cascade=orphan
            sleep 2
            K get rs,pods --no-headers | wc -l
            K delete rs -l app=web --cascade=orphan | cut -d' ' -f3
            sleep 1
            K get pods --no-headers | awk '{print $3}'
            K delete pods --all | wc -l
            kubectl delete node node-1
            for i in $(seq 300); do kubectl get node node-1 >/dev/null 2>&1 && break; sleep 0.1; done
            kubectl wait node/node-1 --for=condition=Ready --timeout=60s
            """),
            "deployment.apps/web created", "deployment \"web\" successfully rolled out", "deployment.apps \"web\" deleted", "2", "deleted", "Running", "1", "node \"node-1\" deleted", "node/node-1 condition met");

    [Fact]
    public async Task Who_may_do_what_follows_from_roles()
    {
        var output = await DoAsync("access", """
            kubectl auth whoami -o 'jsonpath={.status.userInfo.username}{"\n"}'
            K auth can-i delete pods
            K create role reader --verb=get,list --resource=pods
            K create rolebinding readers --role=reader --user=ann
            K auth can-i list pods --as ann
            K auth can-i delete pods --as ann || true
            K get pods --as ann 2>&1
            K get secrets --as ann 2>&1 || true
            kubectl get pods -n default --as ann 2>&1 || true
            """);
        Lines(output, "admin", "yes", "role.rbac.authorization.k8s.io/reader created", "rolebinding.rbac.authorization.k8s.io/readers created", "yes", "no", "No resources found in access namespace.",
            "Error from server (Forbidden): secrets is forbidden: User \"ann\" cannot list resource \"secrets\" in API group \"\" in the namespace \"access\"",
            "Error from server (Forbidden): pods is forbidden: User \"ann\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"");
    }

    [Fact]
    public async Task Tokens_and_client_certificates_open_the_API_and_nothing_else()
    {
        var output = await DoAsync("identity", """
            cd $TMP
            S=$(kubectl config view -o 'jsonpath={.clusters[0].cluster.server}')
            kubectl config view --raw -o 'jsonpath={.clusters[0].cluster.certificate-authority-data}' | base64 -d > ca.crt
            U() { KUBECONFIG=/dev/null kubectl --server=$S --certificate-authority=ca.crt -n identity "$@"; }
            openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ann.key -subj /O=devs/CN=ann -out ann.csr 2>/dev/null
            printf 'apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {name: ann}\nspec: {signerName: kubernetes.io/kube-apiserver-client, request: %s, usages: [client auth]}\n' $(base64 -w0 < ann.csr) | K apply -f -
            K certificate approve ann
            K wait csr/ann --for=jsonpath='{.status.certificate}' --timeout=60s
            K get csr ann -o 'jsonpath={.status.certificate}' | base64 -d > ann.crt
            U --client-certificate=ann.crt --client-key=ann.key auth whoami -o 'jsonpath={.status.userInfo.username} {.status.userInfo.groups}{"\n"}'
            K create rolebinding devs --clusterrole=view --group=devs
            U --client-certificate=ann.crt --client-key=ann.key get pods 2>&1
            U --token=$(K create token default) auth whoami -o 'jsonpath={.status.userInfo.username}{"\n"}'
            U --token=wrong get pods 2>&1
            curl -s --cacert ca.crt --cert ann.crt --key ann.key $S/eyrie/backup | grep -o 'cannot get path'
            curl -s --cacert ca.crt -H "Authorization: Bearer $(K create token default)" $S/metrics | grep -o 'cannot get path'
            """.Replace("$TMP", cluster.State, StringComparison.Ordinal));
        Lines(output, "certificatesigningrequest.certificates.k8s.io/ann created", "certificatesigningrequest.certificates.k8s.io/ann approved", "certificatesigningrequest.certificates.k8s.io/ann condition met", "ann [\"devs\",\"system:authenticated\"]",
            "rolebinding.rbac.authorization.k8s.io/devs created", "No resources found in identity namespace.", "system:serviceaccount:identity:default", "error: You must be logged in to the server (Unauthorized: no valid bearer token and no client certificate of this cluster)", "cannot get path", "cannot get path");
    }
}
