using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Eyrie.Node;

/// <summary>Processor time of the calling thread (clock_gettime(2), CLOCK_THREAD_CPUTIME_ID): what work costs, however long a busy host lets it wait.</summary>
public static partial class ThreadTime
{
    private const int Clock = 3;

    public static TimeSpan Now
    {
        get
        {
            if (ClockGetTime(Clock, out var read) != 0) throw new Win32Exception(Marshal.GetLastPInvokeError(), "clock_gettime");
            return new TimeSpan((read.Seconds * TimeSpan.TicksPerSecond) + (read.Nanoseconds / TimeSpan.NanosecondsPerTick));
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Timespec
    {
        public long Seconds, Nanoseconds;
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime", SetLastError = true)]
    private static partial int ClockGetTime(int clock, out Timespec time);
}
