using Etcdserverpb;
using Grpc.Core;

namespace Eyrie.ControlPlane.Store;

/// <summary>A user's login: the token that goes with every call. It ends when it was not used for a while, or when the etcd is started anew; then another is had.</summary>
internal sealed class EtcdLogin(Auth.AuthClient client, EtcdUser user)
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim _one = new(1, 1);
    private volatile string _token = "";

    public string Token => _token;

    public Metadata With(Metadata headers)
    {
        if (_token is { Length: > 0 } token) headers.Add("token", token);
        return headers;
    }

    /// <summary>Has another token, unless somebody has had one since this one was used.</summary>
    /// <exception cref="RpcException">The etcd refuses, or does not answer.</exception>
    /// <exception cref="StoreUnavailableException">The password's file cannot be read.</exception>
    public async Task RenewAsync(string used, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            if (_token != used) return;
            var answer = await client.AuthenticateAsync(new AuthenticateRequest { Name = user.Name, Password = await PasswordAsync(cancellationToken) }, null, DateTime.UtcNow + Deadline, cancellationToken);
            _token = answer.Token;
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>Whether a call failed for its token alone, and did nothing.</summary>
    public static bool IsOver(RpcException exception) => exception.Status.Detail.Contains("invalid auth token", StringComparison.Ordinal) || exception.Status.Detail.Contains("revision of auth store is old", StringComparison.Ordinal);

    private async Task<string> PasswordAsync(CancellationToken cancellationToken)
    {
        try
        {
            return (await File.ReadAllTextAsync(user.PasswordFile, cancellationToken)).TrimEnd('\r', '\n');
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StoreUnavailableException($"the password of user {user.Name} cannot be read: {exception.Message}", exception);
        }
    }
}
