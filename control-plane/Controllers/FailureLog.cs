using Akka.Event;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>What a controller could not do. That somebody else wrote first, or that the store is away, is a warning; what our own code should have foreseen is an error, with where it happened.</summary>
public static class FailureLog
{
    /// <param name="log">Of the actor.</param>
    /// <param name="what">What was not done.</param>
    /// <param name="failure">Why.</param>
    public static void Failed(this ILoggingAdapter log, string what, Exception failure)
    {
        if (IsFault(failure)) log.Error(failure, "{0}", what);
        else log.Warning("{0}: {1}", what, failure.Message);
    }

    private static bool IsFault(Exception failure) => failure is not ObjectDisposedException
        && failure is NullReferenceException or InvalidOperationException or ArgumentException or FormatException or InvalidCastException or ArithmeticException or IndexOutOfRangeException or KeyNotFoundException;
}
