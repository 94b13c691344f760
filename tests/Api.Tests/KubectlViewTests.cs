using System.Net;
using System.Text.Json.Nodes;
using Eyrie.EndToEnd.Tests;
using Eyrie.Tests;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>Commands of kubectl that merge or compare by the types it was built with, which lack <c>permissions</c> and <c>guard</c>.</summary>
[Takes(25)]
public sealed class KubectlViewTests(ApiServer server) : IClassFixture<ApiServer>
{
    private const string Deployment = """
        cat > NAME.yaml <<'END'
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: NAME}
        spec:
          replicas: 0
          selector: {matchLabels: {app: NAME}}
          guard: {bakeSeconds: 5}
          template:
            metadata: {labels: {app: NAME}}
            spec:
              containers:
              - name: a
                image: hello:1
                permissions:
                  files: [{path: /tmp, access: write}]
              - {name: b, image: hello:1}
        END
        P() { K get deploy NAME -o 'jsonpath={.spec.template.spec.containers[*].permissions}{"\n"}'; }
        E() { printf '%s\n' "$1" > edit.sed; KUBE_EDITOR="sed -i -f edit.sed" K edit deploy NAME; }
        K apply -f NAME.yaml

        """;

    private static string Named(string name, string script) => (Deployment + script).Replace("NAME", name, StringComparison.Ordinal);

    private static void Same(string expected, string output) => Assert.True(expected.Trim() == output.Trim(), output);

    public static TheoryData<string> Programs => [.. KubectlPrograms.All];

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task Edit_changes_permissions_and_guard(string program) => Same("""
        deployment.apps/e created
        deployment.apps/e edited
        {"files":[{"access":"write","path":"/var"}]}
        deployment.apps/e edited
        {"clock":"read","files":[{"access":"write","path":"/var"}]}
        deployment.apps/e edited
        {"clock":"read"}
        deployment.apps/e edited
        {"clock":"read"} {"random":"read"}
        deployment.apps/e edited
        {"random":"read"}
        7
        Edit cancelled, no changes made.
        """, await server.KubectlAsync("edit-" + KubectlPrograms.All.ToList().IndexOf(program), Named("e", """
        E 's,/tmp,/var,'
        P
        E 's,^\( *\)files:$,\1clock: read\n&,'
        P
        E '/permissions:/,/path:/c\        permissions: {clock: read}'
        P
        E 's,^\( *\)name: b$,&\n\1permissions: {random: read},'
        P
        E '/permissions: |/{N;/clock/d};s,bakeSeconds: 5,bakeSeconds: 7,'
        P
        K get deploy e -o 'jsonpath={.spec.guard.bakeSeconds}{"\n"}'
        E s,nothing,else, 2>&1
        K delete deploy e >/dev/null
        """), program));

    [Fact]
    public async Task A_mistake_in_an_edited_text_is_told_with_field_and_line()
    {
        var output = await server.KubectlAsync("edit-wrong", Named("w", """
            printf 'sed -i -f edit.sed "$1"\ngrep "^# " "$1"\n' > edit.sh
            F() { printf '%s\n' "$1" > edit.sed; KUBE_EDITOR="sh edit.sh" K edit deploy w 2>&1; }
            F 's,files:$,fils:,'
            F 's,files:$,files,'
            P
            """));
        Assert.Contains("spec.template.spec.containers[0].permissions.fils: Invalid value:", output, StringComparison.Ordinal);
        Assert.Contains("(line 1 of permissions)", output, StringComparison.Ordinal);
        Assert.Contains("spec.template.spec.containers[0].permissions: Invalid value: permissions:", output, StringComparison.Ordinal);
        Assert.EndsWith("{\"files\":[{\"access\":\"write\",\"path\":\"/tmp\"}]}\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Other_clients_see_objects_and_may_write_text()
    {
        await server.SendAsync("POST", "api/v1/namespaces", """{"metadata":{"name":"texts"}}""");
        string Pod(string name, string permissions) => $$$"""{"metadata":{"name":"{{{name}}}"},"spec":{"containers":[{"name":"a","image":"i:1","permissions":{{{permissions}}}}]}}""";
        var (code, made) = await server.SendAsync("POST", "api/v1/namespaces/texts/pods", Pod("p", "\"clock: read\\nrandom: read\\n\""));
        Assert.Equal(HttpStatusCode.Created, code);
        Assert.Equal("""{"clock":"read","random":"read"}""", made["spec"]!["containers"]![0]!["permissions"]!.ToJsonString());
        Assert.Equal("""{"clock":"read","random":"read"}""", (await server.SendAsync("GET", "api/v1/namespaces/texts/pods/p")).Body["spec"]!["containers"]![0]!["permissions"]!.ToJsonString());
        foreach (var (wrong, why) in new[] { ("\"- a\"", "permissions:1:1: must be a mapping, one field a line"), ("\"a: 1\\n---\\nb: 2\"", "must be one YAML document"), ("\"clock: write\"", "(line 1 of permissions)") })
        {
            var (refused, status) = await server.SendAsync("POST", "api/v1/namespaces/texts/pods", Pod("q", wrong));
            Assert.Equal(HttpStatusCode.UnprocessableEntity, refused);
            Assert.Contains(why, status["message"]!.ToString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Edit_of_a_definition_shows_its_schema_as_it_is() => Same("""
        customresourcedefinition.apiextensions.k8s.io/gates.edited.example.org created
        customresourcedefinition.apiextensions.k8s.io/gates.edited.example.org edited
        what may be done here
        """, await server.KubectlAsync("edit-definition", """
        cat > crd.yaml <<'END'
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata: {name: gates.edited.example.org}
        spec:
          group: edited.example.org
          scope: Namespaced
          names: {plural: gates, singular: gate, kind: Gate}
          versions:
          - name: v1
            served: true
            storage: true
            schema:
              openAPIV3Schema:
                type: object
                properties:
                  permissions: {type: object, description: what may be done, properties: {guard: {type: string}}}
        END
        K create -f crd.yaml
        printf "s,may be done,& here,\n" > edit.sed; KUBE_EDITOR="sed -i -f edit.sed" K edit crd gates.edited.example.org
        K get crd gates.edited.example.org -o 'jsonpath={.spec.versions[0].schema.openAPIV3Schema.properties.permissions.description}{"\n"}'
        """));

    [Theory]
    [MemberData(nameof(Programs))]
    public async Task Describe_and_rollout_know_which_ReplicaSet_is_the_newest(string program)
    {
        var output = await server.KubectlAsync("describe-" + KubectlPrograms.All.ToList().IndexOf(program), Named("d", """
            R() { K get deploy d -o 'jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}'; }
            U() { for i in $(seq 200); do [ "$(R)" = $1 ] && break; sleep 0.1; done; }
            U 1
            K patch deploy d -p '{"spec":{"template":{"spec":{"containers":[{"name":"a","permissions":{"clock":"read"}}]}}}}'
            U 2
            K get rs --sort-by=.metadata.creationTimestamp -o 'jsonpath={range .items[*]}{.metadata.annotations.deployment\.kubernetes\.io/revision} {.metadata.name}{"\n"}{end}' | sort > sets
            K describe deploy d | grep '^[A-Za-z]*ReplicaSets*:' | sed -e "s/$(awk '$1 == 1 {print $2}' sets)/FIRST/" -e "s/$(awk '$1 == 2 {print $2}' sets)/SECOND/" -e 's/  */ /g' -e 's/ (.*//'
            K rollout undo deploy d --to-revision=2
            K rollout undo deploy d
            U 3
            P
            """), program);
        Same("""
            deployment.apps/d created
            deployment.apps/d patched
            OldReplicaSets: FIRST
            NewReplicaSet: SECOND
            deployment.apps/d skipped rollback (current template already matches revision 2)
            deployment.apps/d rolled back
            {"files":[{"access":"write","path":"/tmp"}]}
            """, output);
    }
}
