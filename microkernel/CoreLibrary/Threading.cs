using System.Runtime.CompilerServices;

namespace System.Threading
{
    public static class Interlocked
    {
        [Intrinsic] public static extern int CompareExchange(ref int location, int value, int comparand);
        [Intrinsic] public static extern int Exchange(ref int location, int value);
        [Intrinsic] public static extern int ExchangeAdd(ref int location, int value);
        public static int Increment(ref int location) => ExchangeAdd(ref location, 1) + 1;
        public static int Decrement(ref int location) => ExchangeAdd(ref location, -1) - 1;
    }

    /// <summary>Reads and writes that the compiler neither drops nor moves. A locked operation, so also a full barrier.</summary>
    public static class Volatile
    {
        public static int Read(ref int location) => Interlocked.ExchangeAdd(ref location, 0);
        public static void Write(ref int location, int value) => Interlocked.Exchange(ref location, value);
    }
}
