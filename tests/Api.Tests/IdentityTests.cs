using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Access;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>Service accounts with tokens, users with certificates, and what roles let them do.</summary>
[Collection(nameof(ApiServer))]
public sealed class IdentityTests(ApiServer server)
{
    private async Task NamespaceAsync(string name)
    {
        await server.SendAsync("POST", "api/v1/namespaces", $$$"""{"metadata":{"name":"{{{name}}}"}}""");
        await server.UntilAsync($"api/v1/namespaces/{name}/serviceaccounts/default", (code, _) => code == HttpStatusCode.OK, "the default account");
    }

    private async Task<string> TokenAsync(string space, string account, string spec = "{}")
    {
        var (code, body) = await server.SendAsync("POST", $"api/v1/namespaces/{space}/serviceaccounts/{account}/token", $$"""{"spec":{{spec}}}""");
        Assert.True(code == HttpStatusCode.Created, body.ToString());
        return body["status"]!["token"]!.ToString();
    }

    private async Task<(HttpStatusCode Code, JsonNode Body)> AsAsync(string token, string method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Headers = { Authorization = new("Bearer", token) } };
        if (body is not null) request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await server.Client.SendAsync(request);
        return (response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync())!);
    }

    private async Task<JsonNode> ReviewAsync(string token, string audiences = "") =>
        (await server.SendAsync("POST", "apis/authentication.k8s.io/v1/tokenreviews", $$$"""{"spec":{"token":"{{{token}}}"{{{audiences}}}}}""")).Body["status"]!;

    [Fact]
    public async Task An_account_does_by_its_token_what_its_roles_allow_and_no_more()
    {
        var output = await server.KubectlAsync("accounts", """
            K create serviceaccount robot
            K create role reader --verb=get,list --resource=pods
            K create rolebinding robot --role=reader --serviceaccount=accounts:robot
            T=$(K create token robot --duration=20m)
            K --token=$T auth whoami -o 'jsonpath={.status.userInfo.username} {.status.userInfo.groups}{"\n"}'
            K --token=$T get pods
            K --token=$T get secrets
            K --token=$T auth can-i list pods
            K --token=$T auth can-i delete pods
            K --token=${T}x get pods
            K --token=$T get pods --as ann
            K create rolebinding viewers --clusterrole=view --serviceaccount=accounts:robot
            K --token=$T get cm -o name
            K --token=$T get secrets
            K delete sa robot
            K --token=$T get pods
            """);
        Assert.Equal("""
            serviceaccount/robot created
            role.rbac.authorization.k8s.io/reader created
            rolebinding.rbac.authorization.k8s.io/robot created
            system:serviceaccount:accounts:robot ["system:serviceaccounts","system:serviceaccounts:accounts","system:authenticated"]
            yes
            no
            rolebinding.rbac.authorization.k8s.io/viewers created
            serviceaccount "robot" deleted
            No resources found in accounts namespace.
            Error from server (Forbidden): secrets is forbidden: User "system:serviceaccount:accounts:robot" cannot list resource "secrets" in API group "" in the namespace "accounts"
            error: You must be logged in to the server (Unauthorized)
            Error from server (Forbidden): users "ann" is forbidden: User "system:serviceaccount:accounts:robot" cannot impersonate resource "users" in API group "" at the cluster scope
            Error from server (Forbidden): secrets is forbidden: User "system:serviceaccount:accounts:robot" cannot list resource "secrets" in API group "" in the namespace "accounts"
            error: You must be logged in to the server (Unauthorized)
            """, output.Trim());
    }

    [Fact]
    public async Task A_token_is_for_its_audience_and_ends_with_its_pod()
    {
        await NamespaceAsync("bound");
        await server.SendAsync("POST", "api/v1/namespaces/bound/pods", """{"metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"i:1"}]}}""");
        var token = await TokenAsync("bound", "default", """{"audiences":["vault"],"boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"p"}}""");
        Assert.Equal(HttpStatusCode.Unauthorized, (await AsAsync(token, "GET", "api/v1/namespaces/bound/pods")).Code);
        Assert.Null((await ReviewAsync(token))["authenticated"]);
        var review = await ReviewAsync(token, ""","audiences":["vault","other"]""");
        Assert.Equal("""true system:serviceaccount:bound:default ["vault"] ["p"]""", $"{review["authenticated"]} {review["user"]!["username"]} {review["audiences"]!.ToJsonString()} {review["user"]!["extra"]!["authentication.kubernetes.io/pod-name"]!.ToJsonString()}");
        var (code, _) = await server.SendAsync("POST", "api/v1/namespaces/bound/serviceaccounts/default/token", """{"spec":{"boundObjectRef":{"kind":"Pod","name":"none"}}}""");
        Assert.Equal(HttpStatusCode.NotFound, code);
        (code, var refused) = await server.SendAsync("POST", "api/v1/namespaces/bound/serviceaccounts/default/token", """{"spec":{"expirationSeconds":60}}""");
        Assert.Equal((HttpStatusCode.UnprocessableEntity, "spec.expirationSeconds"), (code, refused["details"]!["causes"]![0]!["field"]!.ToString()));
        await server.SendAsync("DELETE", "api/v1/namespaces/bound/pods/p?gracePeriodSeconds=0");
        Assert.Null((await ReviewAsync(token, ""","audiences":["vault"]"""))["authenticated"]);
    }

    [Fact]
    public async Task Tokens_that_are_over_forged_or_another_clusters_are_nobodys()
    {
        var tokens = server.Services.GetRequiredService<AccountTokens>();
        var keys = server.Services.GetRequiredService<ClusterKeys>();
        var said = new AccountToken("default", new BoundObject("default", "uid"), null, [AccountTokens.Issuer]);
        var now = DateTimeOffset.UtcNow;
        Assert.NotNull(await tokens.ReadAsync(tokens.Make(said, now, now.AddHours(1))));
        Assert.Null(await tokens.ReadAsync(tokens.Make(said, now.AddHours(-2), now.AddHours(-1))));
        Assert.Null(await tokens.ReadAsync(tokens.Make(said, now.AddHours(1), now.AddHours(2))));
        Assert.Null(await tokens.ReadAsync(new AccountTokens(keys with { Tokens = ECDsa.Create(ECCurve.NamedCurves.nistP256) }, TimeProvider.System).Make(said, now, now.AddHours(1))));
        var parts = tokens.Make(said, now, now.AddHours(1)).Split('.');
        var none = Convert.ToBase64String("""{"alg":"none","typ":"JWT"}"""u8).TrimEnd('=');
        Assert.Null(await tokens.ReadAsync($"{none}.{parts[1]}."));
        Assert.Null(await tokens.ReadAsync($"{none}.{parts[1]}.{parts[2]}"));
        Assert.Null(await tokens.ReadAsync("a.b.c"));
        Assert.Null((await ReviewAsync(tokens.Make(said, now, now.AddHours(1))))["authenticated"]); // signed here, but of an account that was deleted and made anew
    }

    [Fact]
    public async Task Nobody_gives_more_than_they_have()
    {
        await NamespaceAsync("giving");
        await server.SendAsync("POST", "api/v1/namespaces/giving/serviceaccounts", """{"metadata":{"name":"giver"}}""");
        await server.SendAsync("POST", "apis/rbac.authorization.k8s.io/v1/namespaces/giving/roles", """{"metadata":{"name":"giver"},"rules":[{"apiGroups":["rbac.authorization.k8s.io"],"resources":["roles","rolebindings"],"verbs":["create"]},{"apiGroups":[""],"resources":["pods"],"verbs":["get","list"]}]}""");
        await server.SendAsync("POST", "apis/rbac.authorization.k8s.io/v1/namespaces/giving/rolebindings", """{"metadata":{"name":"giver"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"giver"},"subjects":[{"kind":"ServiceAccount","name":"giver"}]}""");
        var token = await TokenAsync("giving", "giver");
        Task<(HttpStatusCode Code, JsonNode Body)> RoleAsync(string name, string verbs) => AsAsync(token, "POST", "apis/rbac.authorization.k8s.io/v1/namespaces/giving/roles", $$$"""{"metadata":{"name":"{{{name}}}"},"rules":[{"apiGroups":[""],"resources":["pods"],"verbs":[{{{verbs}}}]}]}""");
        Assert.Equal(HttpStatusCode.Created, (await RoleAsync("less", "\"get\"")).Code);
        var (code, refused) = await RoleAsync("more", "\"get\",\"delete\"");
        Assert.Equal(HttpStatusCode.Forbidden, code);
        Assert.EndsWith("is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\"]}", refused["message"]!.ToString(), StringComparison.Ordinal);
        Task<(HttpStatusCode Code, JsonNode Body)> BindAsync(string kind, string role) => AsAsync(token, "POST", "apis/rbac.authorization.k8s.io/v1/namespaces/giving/rolebindings", $$$"""{"metadata":{"name":"{{{role}}}"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"{{{kind}}}","name":"{{{role}}}"},"subjects":[{"kind":"User","name":"ann"}]}""");
        Assert.Equal(HttpStatusCode.Forbidden, (await BindAsync("ClusterRole", "cluster-admin")).Code);
        Assert.Equal(HttpStatusCode.Forbidden, (await BindAsync("Role", "not-there-yet")).Code);
        Assert.Equal(HttpStatusCode.Created, (await BindAsync("Role", "less")).Code);
    }

    [Fact]
    public async Task A_request_for_a_client_certificate_is_approved_signed_and_names_the_user()
    {
        var output = await server.KubectlAsync("signing", """
            openssl req -new -newkey rsa:2048 -nodes -keyout ann.key -subj /O=devs/O=ops/CN=ann -out ann.csr 2>/dev/null
            for name in ann bob carl; do printf 'apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {name: %s}\nspec: {signerName: kubernetes.io/kube-apiserver-client, expirationSeconds: 86400, request: %s, usages: [%s]}\n' $name $(base64 -w0 < ann.csr) "$([ $name = carl ] && echo server auth || echo client auth)" | K apply -f -; done
            K certificate approve ann carl
            K certificate deny bob
            K wait csr/ann --for=jsonpath='{.status.certificate}' --timeout=60s
            K wait csr/carl --for=condition=Failed --timeout=60s
            K get csr --no-headers | awk '{print $1, $3, $4, $5, $6}'
            K certificate approve bob
            K get csr ann -o 'jsonpath={.status.certificate}' | base64 -d > ann.crt
            openssl x509 -in ann.crt -noout -subject -ext extendedKeyUsage | tail -3
            K patch csr ann --type=merge -p '{"spec":{"username":"root"}}'
            openssl req -new -newkey rsa:2048 -nodes -keyout root.key -subj /O=system:masters/CN=root -out root.csr 2>/dev/null
            printf 'apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {name: root}\nspec: {signerName: kubernetes.io/kube-apiserver-client, request: %s, usages: [client auth]}\n' $(base64 -w0 < root.csr) | K apply -f - 2>&1 | tail -1
            """);
        Assert.Equal("""
            certificatesigningrequest.certificates.k8s.io/ann created
            certificatesigningrequest.certificates.k8s.io/bob created
            certificatesigningrequest.certificates.k8s.io/carl created
            certificatesigningrequest.certificates.k8s.io/ann approved
            certificatesigningrequest.certificates.k8s.io/carl approved
            certificatesigningrequest.certificates.k8s.io/bob denied
            certificatesigningrequest.certificates.k8s.io/ann condition met
            certificatesigningrequest.certificates.k8s.io/carl condition met
            ann kubernetes.io/kube-apiserver-client admin 24h Approved,Issued
            bob kubernetes.io/kube-apiserver-client admin 24h Denied
            carl kubernetes.io/kube-apiserver-client admin 24h Approved,Failed
            subject=O = devs, O = ops, CN = ann
            X509v3 Extended Key Usage:
                TLS Web Client Authentication
            """, string.Join('\n', output.Split('\n').Select(line => line.TrimEnd())).Split("The CertificateSigningRequest")[0].Trim().Replace("The ", "", StringComparison.Ordinal).Split("\nerror")[0]);
        Assert.Contains("Forbidden: use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed", output, StringComparison.Ordinal);
        Assert.Contains("spec: Invalid value: field is immutable", output, StringComparison.Ordinal);
        var (_, ann) = await server.SendAsync("GET", "apis/certificates.k8s.io/v1/certificatesigningrequests/ann");
        using var certificate = X509CertificateLoader.LoadCertificate(Encoding.ASCII.GetBytes(Encoding.ASCII.GetString(Convert.FromBase64String(ann["status"]!["certificate"]!.ToString()))));
        var authenticator = server.Services.GetRequiredService<Authenticator>();
        var subject = authenticator.Certificate(certificate)!;
        Assert.Equal("ann: devs, ops, system:authenticated", $"{subject.Name}: {string.Join(", ", subject.Groups)}");
        var foreign = new CertificateRequest("CN=ann", ECDsa.Create(ECCurve.NamedCurves.nistP256), HashAlgorithmName.SHA256);
        foreign.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.2")], false));
        using var own = foreign.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        Assert.Null(authenticator.Certificate(own));
    }

    [Fact]
    public async Task Roles_are_read_once_and_again_when_they_change()
    {
        var rules = server.Services.GetRequiredService<ReadRules>();
        async Task<JsonObject> RoleAsync() => (await rules.ObjectsAsync(CancellationToken.None)).ClusterRoles.Single(role => role["metadata"]!["name"]!.ToString() == "read-once");
        await server.SendAsync("POST", "apis/rbac.authorization.k8s.io/v1/clusterroles", """{"metadata":{"name":"read-once"},"rules":[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]}""");
        var first = await RoleAsync();
        Assert.Same(first, await RoleAsync());
        await server.SendAsync("PATCH", "apis/rbac.authorization.k8s.io/v1/clusterroles/read-once", """{"rules":[]}""", "application/merge-patch+json");
        Assert.Equal((1, 0), (first["rules"]!.AsArray().Count, (await RoleAsync())["rules"]!.AsArray().Count));
    }
}
