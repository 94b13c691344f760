using Grpc.Core;

namespace Eyrie.ControlPlane.Store;

/// <summary>What an etcd's refusal means and what to do about it. Pure.</summary>
internal static class EtcdFailure
{
    private const string Ended = "did not complete the HTTP/2 handshake";

    /// <param name="status">Of the call that failed.</param>
    /// <param name="address">Of the etcd.</param>
    /// <param name="refused">Why its certificate was not taken; null: it was, or there is none.</param>
    public static string Explain(Status status, EtcdAddress address, string? refused)
    {
        bool Says(params string[] words) => words.Any(word => status.Detail.Contains(word, StringComparison.OrdinalIgnoreCase));
        var user = address.User?.Name;
        var meaning = status switch
        {
            _ when refused is not null && Says("SSL", "Authentication") => refused,
            _ when Says("user name is empty") => "it wants to know the user: etcd[s]://USER@HOST:PORT/...?password-file=FILE",
            _ when Says("authentication is not enabled") => $"it knows no users: leave {user}@ and password-file out, or enable its authentication (etcdctl auth enable)",
            _ when Says("invalid user ID or password") => $"user {user} is not known there, or the password in {address.User?.PasswordFile} is another",
            { StatusCode: StatusCode.PermissionDenied } => $"{(user is null ? "whom the client certificate names" : "user " + user)} may not read and write {address.Prefix}: etcdctl role grant-permission ROLE --prefix=true readwrite {address.Prefix}/",
            // By TLS 1.3 a server tells of the client's certificate when the handshake is over, and what is seen is a connection that it ended.
            _ when address.Tls is { Certificate: null } && Says("certificate required", "bad certificate", "handshake failure", Ended) => "it ended the connection, as one does that wants a client certificate: ?cert=FILE&key=FILE",
            _ when address.Tls is not null && Says("bad certificate", "unknown ca", "certificate unknown", Ended) => "it ended the connection, as one does that does not take the client certificate: sign it by the authority that its --trusted-ca-file names",
            // A server of plain HTTP answers a greeting of TLS with text, or just hangs up: reset where bytes of the greeting were still unread.
            _ when address.Tls is not null && (Says("frame size", "corrupted frame", "wrong version number", "unexpected EOF") || Says("SSL connection could not be established") && Says("reset by peer", "Broken pipe")) => "it does not speak TLS there: write etcd://",
            _ when address.Tls is null && Says(Ended, "ended prematurely", "HTTP_1_1_REQUIRED", "invalid HTTP/2 connection") => "if it speaks TLS there, write etcds://",
            _ => null,
        };
        return $"{address}: {(meaning is null ? "" : meaning + ": ")}{status.StatusCode}: {status.Detail}";
    }
}
