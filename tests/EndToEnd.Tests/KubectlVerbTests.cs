using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>The verbs of kubectl that daily work needs less often, and what they print.</summary>
[Collection(nameof(NodeCluster))]
public sealed class KubectlVerbTests(NodeCluster cluster)
{
    /// <summary>Commands of a shell in a namespace and folder of their own; K is kubectl there, N the namespace.</summary>
    private async Task<string> DoAsync(string script)
    {
        var home = await cluster.NamespaceAsync();
        var folder = Directory.CreateDirectory(Path.Combine(cluster.State, home.Name)).FullName;
        var (_, output) = await Shell.RunAsync("sh", ["-c", $"N={home.Name}; K() {{ kubectl -n $N \"$@\"; }}\ncd {folder}\n{script}"], new Dictionary<string, string> { ["KUBECONFIG"] = Path.Combine(cluster.State, "kubeconfig") });
        return output.Replace(home.Name, "NS", StringComparison.Ordinal);
    }

    private static void Same(string expected, string output) => Assert.Equal(expected.Trim(), string.Join('\n', output.Split('\n').Select(line => line.TrimEnd())).Trim());

    [Fact]
    public async Task Create_of_every_kind() => Same("""
        secret/s created
        secret/r created
        secret/t created
        configmap/c created
        serviceaccount/sa created
        role.rbac.authorization.k8s.io/ro created
        rolebinding.rbac.authorization.k8s.io/rb created
        clusterrole.rbac.authorization.k8s.io/NS created
        clusterrolebinding.rbac.authorization.k8s.io/NS created
        quota
        resourcequota/q created
        poddisruptionbudget.policy/b created
        priorityclass.scheduling.k8s.io/NS created
        service/clusterip created
        service/nodeport created
        service/external created
        Warning: no controller acts on an Ingress in this cluster: it is stored, and leads nowhere until you run one and make its IngressClass
        ingress.networking.k8s.io/i created
        job.batch/j created
        cronjob.batch/cj created
        job.batch/cj-now created
        deployment.apps/d created
        Opaque kubernetes.io/dockerconfigjson kubernetes.io/tls
        clusterrole.rbac.authorization.k8s.io "NS" deleted
        clusterrolebinding.rbac.authorization.k8s.io "NS" deleted
        priorityclass.scheduling.k8s.io "NS" deleted
        """, await DoAsync("""
        K create secret generic s --from-literal=a=b
        K create secret docker-registry r --docker-server=x --docker-username=u --docker-password=p
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout k -out c -subj /CN=x 2>/dev/null
        K create secret tls t --cert=c --key=k
        K create configmap c --from-file=c
        K create serviceaccount sa
        K create role ro --verb=get --resource=pods
        K create rolebinding rb --role=ro --serviceaccount=$N:sa
        K create clusterrole $N --verb=list --resource=nodes
        K create clusterrolebinding $N --clusterrole=$N --user=ann
        echo quota
        K create quota q --hard=pods=50
        K create poddisruptionbudget b --min-available=1 --selector=app=x
        K create priorityclass $N --value=7
        K create service clusterip clusterip --tcp=80
        K create service nodeport nodeport --tcp=80
        K create service externalname external --external-name=example.com
        K create ingress i --rule=example.com/*=clusterip:80 2>&1
        K create job j --image=hello:1 -- true
        K create cronjob cj --image=hello:1 --schedule='0 0 1 1 *' -- true
        K create job cj-now --from=cronjob/cj
        K create deployment d --image=hello:1 --replicas=0
        K get secret s r t -o 'jsonpath={.items[*].type}{"\n"}'
        kubectl delete clusterrole/$N clusterrolebinding/$N priorityclass/$N
        """));

    [Fact]
    public async Task Kustomize_set_edit_and_a_permissions_block_by_every_way_of_writing()
    {
        var output = await DoAsync("""
            cat > d.yaml <<'END'
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: d}
            spec:
              replicas: 0
              selector: {matchLabels: {app: d}}
              template:
                metadata: {labels: {app: d}}
                spec:
                  containers:
                  - name: a
                    image: hello:1
                    permissions:
                      files: [{path: /tmp, access: write}]
            END
            printf 'resources: [d.yaml]\ncommonAnnotations: {from: kustomize}\n' > kustomization.yaml
            P() { K get deploy d -o 'jsonpath={.spec.template.spec.containers[0].permissions}{"\n"}'; }
            K apply -k .
            K get deploy d -o 'jsonpath={.metadata.annotations.from}{"\n"}'
            P
            K set resources deploy/d --limits=cpu=100m
            K set serviceaccount deploy/d default
            K set env deploy/d A=b
            K set image deploy/d a=hello:2
            K create role r --verb=get --resource=pods
            K create rolebinding rb --role=r --user=ann
            K set subject rolebinding rb --user=bob
            K create service clusterip d --tcp=80
            K set selector svc d 'app=other'
            K get svc d -o 'jsonpath={.spec.selector}{"\n"}'
            P
            sed -i 's|path: /tmp|path: /var|' d.yaml
            K apply -f d.yaml 2>/dev/null
            P
            K apply -f d.yaml --server-side --force-conflicts
            P
            KUBE_EDITOR='sed -i s,hello:1,hello:3,' K edit deploy d
            P
            KUBE_EDITOR='sed -i s,/var,/srv,' K edit deploy d
            K patch deploy d -p '{"spec":{"template":{"spec":{"containers":[{"name":"a","permissions":{"clock":"read"}}]}}}}'
            P
            K annotate deploy d x=y
            K explain deployment.spec.template.spec.containers.permissions.files | grep -c 'Directories of'
            """);
        Same("""
            deployment.apps/d created
            kustomize
            {"files":[{"access":"write","path":"/tmp"}]}
            deployment.apps/d resource requirements updated
            deployment.apps/d serviceaccount updated
            deployment.apps/d env updated
            deployment.apps/d image updated
            role.rbac.authorization.k8s.io/r created
            rolebinding.rbac.authorization.k8s.io/rb created
            rolebinding.rbac.authorization.k8s.io/rb subjects updated
            service/d created
            service/d selector updated
            {"app":"other"}
            {"files":[{"access":"write","path":"/tmp"}]}
            deployment.apps/d configured
            {"files":[{"access":"write","path":"/var"}]}
            deployment.apps/d serverside-applied
            {"files":[{"access":"write","path":"/var"}]}
            deployment.apps/d edited
            {"files":[{"access":"write","path":"/var"}]}
            deployment.apps/d edited
            deployment.apps/d patched
            {"clock":"read","files":[{"access":"write","path":"/srv"}]}
            deployment.apps/d annotated
            1
            """, output);
    }

    [Fact]
    public async Task Cordon_taint_drain_events_wait_attach_and_cluster_info()
    {
        var output = await DoAsync("""
            kubectl cordon node-1
            kubectl get node node-1 --no-headers | awk '{print $2}'
            kubectl uncordon node-1
            kubectl taint node node-1 a=b:PreferNoSchedule
            kubectl taint node node-1 a-
            K run p --image=hello:1 --restart=Never --overrides='{"spec":{"nodeName":"node-1","terminationGracePeriodSeconds":1}}' --command -- sh -c 'trap exit TERM; while :; do sleep 1; done'
            K wait pod/p --for=condition=Ready --timeout=60s
            kubectl drain node-1 --ignore-daemonsets --force --delete-emptydir-data --pod-selector=run=p --timeout=60s 2>/dev/null | tail -2
            kubectl uncordon node-1
            K events --for pod/p --types=Normal 2>&1 | grep -c -e Started
            echo 'echo got it; exit' | K run asked --image=hello:1 --restart=Never -i --rm --quiet --command -- sh 2>&1 | head -1
            kubectl cluster-info | head -1 | grep -c 'Kubernetes control plane'
            kubectl api-versions | grep -c -e '^apps/v1$' -e '^apiextensions.k8s.io/v1$' -e '^metrics.k8s.io/v1beta1$'
            kubectl auth can-i --list --as system:serviceaccount:$N:default -n $N | head -1 | awk '{print $1}'
            K get --raw /version | grep -c gitVersion
            kubectl proxy --port=0 > proxy & proxy=$!
            for i in $(seq 300); do grep -q serve proxy && break; sleep 0.1; done
            curl -s http://$(sed 's/.* on //' proxy)/api/v1/namespaces/$N | grep -o '"phase":"Active"'
            kill $proxy
            """);
        Same("""
            node/node-1 cordoned
            Ready,SchedulingDisabled
            node/node-1 uncordoned
            node/node-1 tainted
            node/node-1 untainted
            pod/p created
            pod/p condition met
            pod/p evicted
            node/node-1 drained
            node/node-1 uncordoned
            1
            got it
            1
            3
            Resources
            1
            "phase":"Active"
            """, output);
    }
}
