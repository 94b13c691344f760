using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.MettEagle;

/// <summary>A socket that is shown what a container writes to one of its streams, from when it was attached.</summary>
public unsafe struct Attachment
{
    /// <summary>The stream (container * 2, + 1 for stderr); -1: it has ended, and only the rest is owed.</summary>
    public int Token;
    public int Descriptor;
    public bool Used;
    /// <summary>What was read of the stream and the socket did not take yet.</summary>
    public byte* Rest;
    public int RestLength;
}

/// <summary>
/// Those who watch containers write. A container whose watcher is behind waits, as it would for a terminal; the log loses nothing. What they write goes to the container without the service:
/// they are given its stdin, or its terminal.
/// </summary>
public static unsafe class Attachments
{
    /// <summary>Room for one read and for all that a pipe holds when its writer has ended.</summary>
    private const int Max = 128, RestSpace = 16384 + 65536;
    private static Attachment* s_table;
    private static int s_used;

    public static bool Initialize()
    {
        s_table = (Attachment*)Memory.Allocate(Max * sizeof(Attachment));
        return s_table != null;
    }

    /// <summary>With the request come two sockets, for stdout and stderr (a terminal has the first alone); with the answer goes what stdin is written to, where there is one.</summary>
    public static int Attach(int client, uint request, int container)
    {
        ref var target = ref Containers.Table[container];
        if (target.State != TaskState.Running) return ContainerErrorCode.WrongState;
        var sockets = Clients.Descriptors(client);
        if (sockets.Length != 2) return ContainerErrorCode.InvalidRequest;
        if (s_used + sockets.Length > Max) return ContainerErrorCode.QuotaExhausted;
        for (int i = 0; i < (target.Terminal ? 1 : 2); i++)
        {
            int error = Add(container * 2 + i, sockets[i]);
            if (error != ContainerErrorCode.None) return error;
        }
        var answer = Clients.Begin();
        byte one = 1;
        if (target.Terminal) answer.Add(StartTag.Terminal, new ReadOnlySpan<byte>(&one, 1));
        Clients.Send(client, request, ContainerProtocol.Attach | ContainerProtocol.Response, answer, target.Input);
        return Requests.Later;
    }

    private static int Add(int token, int socket)
    {
        int index = 0;
        while (s_table[index].Used) index++;
        byte* rest = Memory.Allocate(RestSpace);
        nint copy = Host.Call(Sys.Fcntl, socket, 1030, 0); // F_DUPFD_CLOEXEC: the request's own is closed when it has been answered
        if (rest == null || copy < 0) return ContainerErrorCode.HostFailure;
        s_table[index] = new Attachment { Used = true, Token = token, Descriptor = (int)copy, Rest = rest };
        s_used++;
        Loop.Watch((int)copy, Loop.Attached, index);
        return ContainerErrorCode.None;
    }

    /// <summary>Whether somebody has not taken yet what was read of a stream.</summary>
    public static bool Behind(int token)
    {
        for (int i = 0, seen = 0; seen < s_used; i++)
        {
            if (!s_table[i].Used) continue;
            seen++;
            if (s_table[i].Token == token && s_table[i].RestLength > 0) return true;
        }
        return false;
    }

    public static void Show(int token, ReadOnlySpan<byte> bytes)
    {
        for (int i = 0, left = s_used; left > 0; i++)
        {
            if (!s_table[i].Used) continue;
            left--;
            if (s_table[i].Token == token) ShowTo(i, bytes);
        }
    }

    private static void ShowTo(int index, ReadOnlySpan<byte> bytes)
    {
        ref var attachment = ref s_table[index];
        int sent = 0;
        if (attachment.RestLength == 0)
            fixed (byte* from = bytes) sent = Send(attachment.Descriptor, from, bytes.Length);
        if (sent < 0 || attachment.RestLength + bytes.Length - sent > RestSpace) { Close(index); return; }
        if (sent == bytes.Length) return;
        bytes.Slice(sent).CopyTo(new Span<byte>(attachment.Rest + attachment.RestLength, RestSpace));
        attachment.RestLength += bytes.Length - sent;
        Loop.Rewatch(attachment.Descriptor, Loop.Attached, index, true);
    }

    /// <summary>The socket can be written again, or who held its other end is gone; they have nothing to say over it.</summary>
    public static void Ready(int index, bool gone)
    {
        ref var attachment = ref s_table[index];
        if (!attachment.Used) return;
        int sent = gone ? -1 : Send(attachment.Descriptor, attachment.Rest, attachment.RestLength);
        if (sent < 0) { Close(index); return; }
        new ReadOnlySpan<byte>(attachment.Rest + sent, attachment.RestLength - sent).CopyTo(new Span<byte>(attachment.Rest, RestSpace));
        attachment.RestLength -= sent;
        if (attachment.RestLength > 0) return;
        if (attachment.Token < 0) { Close(index); return; }
        Loop.Rewatch(attachment.Descriptor, Loop.Attached, index, false);
        if (!Behind(attachment.Token)) LogPump.Resume(attachment.Token);
    }

    /// <summary>A stream has ended: those who have everything are told by the end of their socket, the others when they have.</summary>
    public static void Ended(int container, int stream)
    {
        for (int i = 0, left = s_used; left > 0; i++)
        {
            if (!s_table[i].Used) continue;
            left--;
            if (s_table[i].Token != container * 2 + stream) continue;
            s_table[i].Token = -1;
            if (s_table[i].RestLength == 0) Close(i);
        }
    }

    public static void Ended(int container)
    {
        Ended(container, 0);
        Ended(container, 1);
    }

    private static void Close(int index)
    {
        int token = s_table[index].Token;
        Host.Call(Sys.Close, s_table[index].Descriptor);
        Memory.Free(s_table[index].Rest, RestSpace);
        s_table[index] = default;
        s_used--;
        if (token >= 0 && !Behind(token)) LogPump.Resume(token);
    }

    /// <summary>How many bytes the socket took; -1: it is broken, or no socket.</summary>
    private static int Send(int descriptor, byte* bytes, int count)
    {
        const int Flags = 0x4000 | 0x40; // MSG_NOSIGNAL, MSG_DONTWAIT
        nint sent = count == 0 ? 0 : Host.Call(Sys.Sendto, descriptor, (nint)bytes, count, Flags, 0, 0);
        return sent == -Sys.Eagain || sent == -Sys.Eintr ? 0 : sent < 0 ? -1 : (int)sent;
    }
}
