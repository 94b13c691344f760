using Authpb;
using Etcdserverpb;
using Eyrie.ControlPlane.Store;
using Eyrie.Tests;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Xunit;

namespace Eyrie.Store.Tests;

/// <summary>An etcd that is spoken to by TLS and wants client certificates, and one that knows users.</summary>
public sealed class SecuredEtcd : IAsyncLifetime
{
    private const string Server = "etcd.test", Client = "control-plane";

    public SecuredEtcd()
    {
        var (certificate, key) = Authority.Sign(Server, "127.0.0.1");
        ClientFiles = Authority.Sign(Client);
        PasswordFile = Authority.Written("password", "correct horse\n");
        Certified = new EtcdServer(certificate, key, Authority.Certificate);
        Users = new EtcdServer(certificate, key, null);
    }

    public TestAuthority Authority { get; } = new();
    public (string Certificate, string Key) ClientFiles { get; }
    public string PasswordFile { get; }
    /// <summary>Wants a client certificate.</summary>
    public EtcdServer Certified { get; }
    /// <summary>Wants a user: <c>eyrie</c>, who may read and write what begins with /own.</summary>
    public EtcdServer Users { get; }

    public string CertifiedAddress => $"etcds://127.0.0.1:{Certified.Port}/{Guid.NewGuid():N}?ca={Authority.Certificate}&cert={ClientFiles.Certificate}&key={ClientFiles.Key}";

    public string UserAddress => $"etcds://eyrie@127.0.0.1:{Users.Port}/own-{Guid.NewGuid():N}?ca={Authority.Certificate}&password-file={PasswordFile}";

    public async Task InitializeAsync()
    {
        await (await EtcdServerStores.OpenAsync(EtcdAddress.Parse(CertifiedAddress)!)).DisposeAsync();
        await (await EtcdServerStores.OpenAsync(EtcdAddress.Parse($"etcds://127.0.0.1:{Users.Port}?ca={Authority.Certificate}")!)).DisposeAsync();
        using var channel = GrpcChannel.ForAddress($"https://127.0.0.1:{Users.Port}", new GrpcChannelOptions { HttpHandler = new SocketsHttpHandler { SslOptions = new() { RemoteCertificateValidationCallback = (_, _, _, _) => true } } });
        var auth = new Auth.AuthClient(channel);
        await auth.UserAddAsync(new AuthUserAddRequest { Name = "root", Password = "root" });
        await auth.RoleAddAsync(new AuthRoleAddRequest { Name = "root" });
        await auth.UserGrantRoleAsync(new AuthUserGrantRoleRequest { User = "root", Role = "root" });
        await auth.UserAddAsync(new AuthUserAddRequest { Name = "eyrie", Password = "correct horse" });
        await auth.RoleAddAsync(new AuthRoleAddRequest { Name = "cluster" });
        await auth.RoleGrantPermissionAsync(new AuthRoleGrantPermissionRequest { Name = "cluster", Perm = new Permission { PermType = Permission.Types.Type.Readwrite, Key = ByteString.CopyFromUtf8("/own"), RangeEnd = ByteString.CopyFromUtf8("/owo") } });
        await auth.UserGrantRoleAsync(new AuthUserGrantRoleRequest { User = "eyrie", Role = "cluster" });
        await auth.AuthEnableAsync(new AuthEnableRequest());
    }

    public async Task DisposeAsync()
    {
        await Certified.DisposeAsync();
        await Users.DisposeAsync();
        Authority.Dispose();
    }
}

[CollectionDefinition(nameof(SecuredEtcd))]
[Takes(33)]
public sealed class SecuredEtcdCollection : ICollectionFixture<SecuredEtcd>;

/// <summary>The seam's meaning over TLS with a client certificate.</summary>
[Collection(nameof(SecuredEtcd))]
public sealed class CertifiedEtcdStoreTests(SecuredEtcd etcd) : StoreConformance
{
    protected override async Task<IStore> OpenAsync() => await EtcdStore.OpenAsync(EtcdAddress.Parse(etcd.CertifiedAddress)!, CancellationToken.None);
}

/// <summary>The seam's meaning as a user.</summary>
[Collection(nameof(SecuredEtcd))]
public sealed class UserEtcdStoreTests(SecuredEtcd etcd) : StoreConformance
{
    protected override async Task<IStore> OpenAsync() => await EtcdStore.OpenAsync(EtcdAddress.Parse(etcd.UserAddress)!, CancellationToken.None);
}

/// <summary>What may be wrong with the security of an etcd, and what is said of it.</summary>
[Collection(nameof(SecuredEtcd))]
public sealed class EtcdSecurityTests(SecuredEtcd etcd)
{
    [Fact]
    public async Task A_watch_and_writes_go_on_when_an_etcd_that_was_started_anew_has_forgotten_the_login()
    {
        await using var store = await EtcdStore.OpenAsync(EtcdAddress.Parse(etcd.UserAddress)!, CancellationToken.None);
        await EtcdOutageTests.WatchedAsync(store, store, async () =>
        {
            await etcd.Users.KillAsync();
            etcd.Users.Restart();
        });
    }

    private async Task<string> RefusedAsync(string address) => (await Assert.ThrowsAsync<StoreUnavailableException>(() => EtcdStore.OpenAsync(EtcdAddress.Parse(address)!, CancellationToken.None))).Message;

    [Fact]
    public async Task Every_refusal_says_what_to_do()
    {
        using var other = new TestAuthority();
        var (ca, users, certified) = (etcd.Authority.Certificate, $"127.0.0.1:{etcd.Users.Port}", $"127.0.0.1:{etcd.Certified.Port}");
        var (certificate, key) = other.Sign("stranger");
        await using var plain = new EtcdServer();
        await (await EtcdServerStores.OpenAsync(plain.Address())).DisposeAsync();
        var wrong = etcd.Authority.Written("wrong", "wrong");
        var expected = new Dictionary<string, string>
        {
            [$"etcds://{users}?ca={other.Certificate}"] = $"its certificate does not hold by {other.Certificate}",
            [$"etcds://{users}"] = "name the authority's file, ?ca=FILE",
            [$"etcds://localhost:{etcd.Users.Port}?ca={ca}"] = "its certificate is not for localhost",
            [$"etcds://{users}/own?ca={ca}"] = "it wants to know the user",
            [$"etcds://eyrie@{users}/own?ca={ca}&password-file={wrong}"] = "user eyrie is not known there, or the password in " + wrong,
            [$"etcds://eyrie@{users}/own?ca={ca}&password-file=/no/file"] = "the password of user eyrie cannot be read",
            [$"etcds://eyrie@{users}/other?ca={ca}&password-file={etcd.PasswordFile}"] = "user eyrie may not read and write /other: etcdctl role grant-permission",
            [$"etcd://eyrie@127.0.0.1:{plain.Port}?password-file={etcd.PasswordFile}"] = "it knows no users: leave eyrie@",
            [$"etcds://{certified}?ca={ca}"] = "as one does that wants a client certificate: ?cert=FILE&key=FILE",
            [$"etcds://{certified}?ca={ca}&cert={certificate}&key={key}"] = "as one does that does not take the client certificate",
            [$"etcds://{certified}?ca={ca}&cert={certificate}&key={ca}"] = "not a certificate and its key in PEM that can be read",
            [$"etcds://127.0.0.1:{plain.Port}?ca={ca}"] = "it does not speak TLS there: write etcd://",
            [$"etcd://{users}"] = "if it speaks TLS there, write etcds://",
            [$"etcds://{users}?ca=/no/file"] = "/no/file: not certificates in PEM that can be read",
        };
        var said = new List<string>();
        foreach (var (address, message) in expected)
            if (await RefusedAsync(address) is var seen && !seen.Contains(message, StringComparison.Ordinal)) said.Add($"{address}\n  expected {message}\n  was {seen}");
        Assert.True(said.Count == 0, string.Join('\n', said));
    }
}
