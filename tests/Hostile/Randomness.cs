namespace Eyrie.Hostile;

/// <summary>xorshift64*: numbers that follow from the seed.</summary>
public struct Randomness(ulong seed)
{
    private ulong _state = seed * 2685821657736338717 + 88172645463325252;

    public ulong Next()
    {
        _state ^= _state >> 12;
        _state ^= _state << 25;
        _state ^= _state >> 27;
        return _state * 2685821657736338717;
    }

    public int Below(int bound) => (int)(Next() % (ulong)bound);

    /// <summary>Mostly a slot that may hold something; sometimes any number.</summary>
    public nint Slot() => Below(20) switch { 0 => (nint)Next(), 1 => -Below(3), < 10 => Below(12), _ => 64 + Below(48) };

    /// <summary>Numbers that break things: borders, powers of two, anything.</summary>
    public nint Number() => Below(6) switch
    {
        0 => (nint)Next(), 1 => Below(16), 2 => (nint)1 << Below(63), 3 => ((nint)1 << Below(63)) - 1, 4 => -((nint)1 << Below(63)), _ => (nint)(Next() >> Below(64)),
    };
}
