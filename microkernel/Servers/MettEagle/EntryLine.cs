using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>What an entry line asks for, in numbers. The line itself is the object's name and what the network server enforces.</summary>
public ref struct EntryLine
{
    public ObjectKind Kind;
    /// <summary>Factory: bytes, processes and threads. Scheduling context: shares, thousandths of a CPU.</summary>
    public long First, Second;
    /// <summary>quota: <see cref="Second"/> counts threads of one process, or processes of one thread each; neither: both together.</summary>
    public bool OnlyThreads, OnlyProcesses;
    /// <summary>Served by the network server; otherwise by MettEagle.</summary>
    public bool Network;
    /// <summary>dir: the path and whether it may be written.</summary>
    public ReadOnlySpan<byte> Path;
    public bool Writable;
    /// <summary>dir, writable: only what is there may be changed; nothing is made, renamed or removed.</summary>
    public bool Changes;
    /// <summary>host dir: a path of the host, and whether it may be written there.</summary>
    public ReadOnlySpan<byte> HostPath;
    public bool HostWritable;
    /// <summary>device: its path, and whether it may be written.</summary>
    public ReadOnlySpan<byte> Device;
    public bool DeviceWritable;
    /// <summary>signal: name of the container that is sent them.</summary>
    public ReadOnlySpan<byte> Signalled;
    /// <summary>exec: what code may be run from.</summary>
    public ReadOnlySpan<byte> Executable;
    /// <summary>facts: what may be known of the host.</summary>
    public HostFact Fact;
    /// <summary>api token: tokens of the pod's account may be mounted.</summary>
    public bool Token;
    /// <summary>gate call, gate serve: the gate, <c>namespace/name</c>; and which of the two.</summary>
    public ReadOnlySpan<byte> Gate;
    public bool Calls, Serves;
    /// <summary>Let through for want of a grant, and recorded.</summary>
    public bool Audited;
    /// <summary>audit quota: so many processes and threads are let be, however many the quota says.</summary>
    public long Most;

    /// <summary>False: not an entry that this node knows.</summary>
    public static bool Parse(ReadOnlySpan<byte> line, out EntryLine entry)
    {
        entry = default;
        entry.Kind = ObjectKind.Gate;
        if (line.Length is 0 or > 200 || line.IndexOf((byte)'\n') >= 0) return false;
        var fields = new FieldReader(line);
        var verb = fields.Next();
        if (verb.SequenceEqual("quota"u8))
        {
            entry.Kind = ObjectKind.Factory;
            entry.First = Value(fields.Next(), "memory="u8);
            entry.Second = Value(fields.Next(), "processes="u8);
            return entry.First >= 0 && entry.Second >= 0 && Threads(fields.Next(), ref entry);
        }
        if (verb.SequenceEqual("cpu"u8))
        {
            entry.Kind = ObjectKind.SchedulingContext;
            entry.First = Value(fields.Next(), "shares="u8);
            var limit = fields.Next();
            entry.Second = limit.Length == 0 ? 0 : Value(limit.Slice(0, limit.Length - 1), "limit="u8);
            return entry.First >= 0 && entry.Second >= 0;
        }
        if (verb.SequenceEqual("log"u8)) { entry.Kind = ObjectKind.Log; return true; }
        if (verb.SequenceEqual("connect"u8) || verb.SequenceEqual("listen"u8)) { entry.Network = true; return true; }
        if (verb.SequenceEqual("audit"u8))
        {
            // Let through and recorded: `audit` and the entry that it goes up to.
            if (line.Length < 7 || !Parse(line.Slice(6), out var bound) || bound.Kind is not (ObjectKind.Gate or ObjectKind.Factory) || bound.Audited || bound.Calls || bound.Serves) return false;
            entry.Audited = true;
            entry.Network = bound.Network;
            entry.Path = bound.Path;
            entry.Writable = bound.Writable;
            entry.Changes = bound.Changes;
            entry.Executable = bound.Executable;
            if (bound.Kind == ObjectKind.Factory) entry.Most = bound.Second;
            return bound.Network || bound.Writable || bound.Executable.Length > 0 || entry.Most > 0;
        }
        if (verb.SequenceEqual("dir"u8))
        {
            entry.Path = fields.Next();
            var access = fields.Next();
            entry.Changes = access.SequenceEqual("read,change"u8);
            entry.Writable = entry.Changes || access.SequenceEqual("read,write"u8);
            return entry.Path.Length > 0 && entry.Path[0] == '/' && (entry.Writable || access.SequenceEqual("read"u8));
        }
        if (verb.SequenceEqual("gate"u8))
        {
            var use = fields.Next();
            entry.Gate = fields.Next();
            entry.Calls = use.SequenceEqual("call"u8);
            entry.Serves = use.SequenceEqual("serve"u8);
            return entry.Gate.Length is > 0 and <= GateSession.MaxName && (entry.Calls || entry.Serves || use.SequenceEqual("accept"u8));
        }
        if (verb.SequenceEqual("host"u8))
        {
            if (!fields.Next().SequenceEqual("dir"u8)) return false;
            entry.HostPath = fields.Next();
            var access = fields.Next();
            entry.HostWritable = access.SequenceEqual("read,write"u8);
            return entry.HostPath.Length > 0 && entry.HostPath[0] == '/' && (entry.HostWritable || access.SequenceEqual("read"u8));
        }
        if (verb.SequenceEqual("device"u8))
        {
            entry.Device = fields.Next();
            var access = fields.Next();
            entry.DeviceWritable = access.SequenceEqual("read,write"u8);
            return entry.Device.StartsWith("/dev/"u8) && (entry.DeviceWritable || access.SequenceEqual("read"u8));
        }
        if (verb.SequenceEqual("signal"u8))
        {
            entry.Signalled = fields.Next();
            return entry.Signalled.Length > 0 && fields.Next().Length > 0;
        }
        if (verb.SequenceEqual("exec"u8))
        {
            entry.Executable = fields.Next();
            return entry.Executable.Length > 0 && entry.Executable[0] == '/';
        }
        if (verb.SequenceEqual("facts"u8))
        {
            var fact = fields.Next();
            entry.Fact = fact.SequenceEqual("memory"u8) ? HostFact.Memory : fact.SequenceEqual("load"u8) ? HostFact.Load : fact.SequenceEqual("drivers"u8) ? HostFact.Drivers : HostFact.None;
            return entry.Fact != HostFact.None;
        }
        if (verb.SequenceEqual("api"u8)) { entry.Token = fields.Next().SequenceEqual("token"u8); return entry.Token; }
        return verb.SequenceEqual("identity"u8) || verb.SequenceEqual("clock"u8) || verb.SequenceEqual("processes"u8) || verb.SequenceEqual("random"u8) || verb.SequenceEqual("accept"u8);
    }

    /// <summary>The host counts processes and threads as one, so one of the two numbers must be 1.</summary>
    private static bool Threads(ReadOnlySpan<byte> word, ref EntryLine entry)
    {
        if (word.Length == 0) return true;
        long threads = Value(word, "threads="u8);
        entry.OnlyThreads = entry.Second == 1 && threads > 1;
        entry.OnlyProcesses = entry.Second != 1 && threads == 1;
        if (entry.OnlyThreads) entry.Second = threads;
        return entry.OnlyThreads || entry.OnlyProcesses;
    }

    private static long Value(ReadOnlySpan<byte> field, ReadOnlySpan<byte> name) =>
        field.StartsWith(name) ? FieldReader.Number(field.Slice(name.Length)) : -1;
}
