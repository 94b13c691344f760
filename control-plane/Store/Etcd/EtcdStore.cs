using System.Net;
using dotnet_etcd;
using Etcdserverpb;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Grpc.Net.Client;
using Grpc.Net.Client.Balancer;
using Grpc.Net.Client.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Eyrie.ControlPlane.Store;

/// <summary>The store in etcd (v3.4 or later), for a control plane of more than one replica. A revision is etcd's own.</summary>
public sealed partial class EtcdStore : IStore
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    private readonly GrpcChannel _channel;
    private readonly EtcdClient _client;
    private readonly EtcdMapping _mapping;
    private readonly EtcdWatch _watch;
    private readonly EtcdAddress _address;
    private readonly EtcdTrust? _trust;
    private readonly EtcdLogin? _login;

    private EtcdStore(EtcdAddress address, EtcdTrust? trust, GrpcChannel channel)
    {
        (_address, _trust, _channel) = (address, trust, channel);
        var invoker = channel.CreateCallInvoker();
        if (address.User is { } user)
        {
            _login = new EtcdLogin(new Auth.AuthClient(invoker), user);
            invoker = invoker.Intercept(_login.With);
        }
        (_client, _leases, _mapping) = (new EtcdClient(invoker), new Lease.LeaseClient(invoker), new EtcdMapping(address.Prefix));
        // The library's own watch starts anew at the newest revision after an outage; this one must resume, so it stands on the generated client.
        _watch = new EtcdWatch(new Watch.WatchClient(invoker), _mapping, _login);
    }

    /// <summary>Connects; the etcd must answer.</summary>
    /// <exception cref="StoreUnavailableException">None of its members answers, or it refuses; the message says what to do.</exception>
    public static async Task<EtcdStore> OpenAsync(EtcdAddress address, CancellationToken cancellationToken)
    {
        var members = address.Members.Select(member => new BalancerAddress(member.Host, member.Port)).ToList();
        var trust = address.Tls is { } tls ? new EtcdTrust(address.Members.Select(member => member.Host), tls) : null;
        var handler = new SocketsHttpHandler { EnableMultipleHttp2Connections = true, KeepAlivePingDelay = TimeSpan.FromSeconds(10), KeepAlivePingTimeout = TimeSpan.FromSeconds(10), ConnectTimeout = TimeSpan.FromSeconds(5), UseProxy = false };
        if (trust is not null) handler.SslOptions = trust.Options;
        var store = new EtcdStore(address, trust, GrpcChannel.ForAddress("static:///etcd", new GrpcChannelOptions
        {
            Credentials = trust is null ? ChannelCredentials.Insecure : ChannelCredentials.SecureSsl, MaxReceiveMessageSize = null, ServiceConfig = new ServiceConfig { LoadBalancingConfigs = { new RoundRobinConfig() } },
            HttpHandler = handler,
            MaxReconnectBackoff = TimeSpan.FromSeconds(2), InitialReconnectBackoff = TimeSpan.FromMilliseconds(100),
            ServiceProvider = new ServiceCollection().AddSingleton<ResolverFactory>(new StaticResolverFactory(_ => members)).BuildServiceProvider(),
        }));
        try
        {
            await store.BeginAsync(cancellationToken);
            await store.RangeAsync(new RangeQuery("/", "/0", 1), cancellationToken);
        }
        catch (StoreUnavailableException)
        {
            await store.DisposeAsync();
            throw;
        }
        return store;
    }

    public async Task<RangeResult> RangeAsync(RangeQuery query, CancellationToken cancellationToken)
    {
        var request = new RangeRequest { Key = _mapping.Key(query.Start), RangeEnd = _mapping.Key(query.End), Limit = query.Limit, Revision = _mapping.Etcd(query.At) };
        var found = await CallAsync(query.At, () => _client.GetAsync(request, null, DateTime.UtcNow + Deadline, cancellationToken));
        return new RangeResult([.. found.Kvs.Select(_mapping.Entry)], query.At == Revision.Zero ? _mapping.Revision(found.Header.Revision) : query.At, found.Count - found.Kvs.Count);
    }

    public async Task<CommitResult> CommitAsync(Transaction transaction, CancellationToken cancellationToken)
    {
        var request = _mapping.Request(transaction);
        var done = await CallAsync(Revision.Zero, () => _client.TransactionAsync(request, null, DateTime.UtcNow + Deadline, cancellationToken), transaction.Writes.FirstOrDefault(write => write.Lease != LeaseId.None)?.Lease);
        return new CommitResult(done.Succeeded, _mapping.Revision(done.Header.Revision));
    }

    public IAsyncEnumerable<WatchBatch> WatchAsync(string prefix, Revision after, CancellationToken cancellationToken) => _watch.RunAsync(prefix, after, cancellationToken);

    public async Task CompactAsync(Revision before, CancellationToken cancellationToken)
    {
        var newest = (await RangeAsync(new RangeQuery("/", "/0", 1), cancellationToken)).At;
        if (before.Value <= _mapping.Begins) return; // that history is not here
        var request = new CompactionRequest { Revision = _mapping.Etcd(before.CompareTo(newest) < 0 ? before : newest) };
        try
        {
            await CallAsync(before, () => _client.CompactAsync(request, null, DateTime.UtcNow + Deadline, cancellationToken));
        }
        catch (RevisionCompactedException)
        {
            // Somebody compacted further already: what was asked for holds.
        }
    }

    /// <summary>Turns etcd's errors into the seam's.</summary>
    /// <param name="asked">The revision that is asked for.</param>
    /// <param name="call">The call.</param>
    /// <param name="lease">Which lease it needs.</param>
    private async Task<T> CallAsync<T>(Revision asked, Func<Task<T>> call, LeaseId? lease = null)
    {
        try
        {
            return await LoggedInAsync(call);
        }
        catch (RpcException exception) when (exception.StatusCode == StatusCode.OutOfRange && exception.Status.Detail.Contains("compacted", StringComparison.Ordinal))
        {
            throw new RevisionCompactedException(asked, null);
        }
        catch (RpcException exception) when (exception.StatusCode == StatusCode.NotFound && lease is { } over)
        {
            throw new LeaseOverException(over);
        }
        catch (RpcException exception) when (exception.StatusCode == StatusCode.Cancelled)
        {
            throw new OperationCanceledException(exception.Status.Detail, exception);
        }
        catch (RpcException exception)
        {
            throw new StoreUnavailableException(EtcdFailure.Explain(exception.Status, _address, _trust?.Refused), exception);
        }
    }

    /// <summary>A call as the user, who logs in at the first one and when the login is over.</summary>
    private async Task<T> LoggedInAsync<T>(Func<Task<T>> call)
    {
        if (_login is null) return await call();
        var used = _login.Token;
        if (used.Length == 0) await _login.RenewAsync(used, CancellationToken.None);
        else
            try
            {
                return await call();
            }
            catch (RpcException exception) when (EtcdLogin.IsOver(exception))
            {
                await _login.RenewAsync(used, CancellationToken.None);
            }
        return await call();
    }

    public ValueTask DisposeAsync()
    {
        _channel.Dispose();
        return ValueTask.CompletedTask;
    }
}
