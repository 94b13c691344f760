using System.Net;
using System.Net.Http.Headers;

namespace Eyrie.Node;

/// <summary>How often one thing of a registry has failed, whichever way: no answer, an answer that says "later", a connection that was cut.</summary>
public sealed class RegistryTries
{
    /// <summary>Failures until now.</summary>
    public int Failed { get; set; }
}

/// <summary>Whether a registry that answered with an error is asked again in the same pull, and after how long. Pure.</summary>
public static class RegistryRetry
{
    /// <summary>How often the same thing is asked for, at most.</summary>
    public const int Tries = 5;
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(20);

    /// <param name="attempt">How often it was asked for, 1 or more.</param>
    /// <param name="code">What the registry answered.</param>
    /// <param name="after">Its Retry-After (RFC 9110, section 10.2.3); null: it has none.</param>
    /// <param name="now">The time.</param>
    /// <returns>Null: the answer stands. A registry that wants a longer pause than a pull should last is asked again when the pod is tried again.</returns>
    public static TimeSpan? Wait(int attempt, HttpStatusCode code, RetryConditionHeaderValue? after, DateTimeOffset now)
    {
        if (attempt >= Tries || code is not (HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or HttpStatusCode.InternalServerError or HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout)) return null;
        var wait = after?.Delta ?? after?.Date - now ?? Pause(attempt);
        return wait > Longest ? null : wait < TimeSpan.Zero ? TimeSpan.Zero : wait;
    }

    /// <summary>How long it is left alone after so many failures when it does not say itself.</summary>
    public static TimeSpan Pause(int failures) => TimeSpan.FromMilliseconds(200 << failures);
}
