using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Eyrie.Node.Dns;

/// <summary>IPv4 addresses of one name, and for how long they hold.</summary>
public sealed record HostAddresses(IReadOnlyList<IPAddress> Addresses, TimeSpan Lifetime);

/// <summary>Asks the host's resolver, over UDP and, when the answer is too long for that, over TCP (RFC 1035, RFC 7766).</summary>
/// <param name="resolver">A resolver that follows names to their end.</param>
public sealed class UpstreamResolver(IPEndPoint resolver)
{
    private const int Attempts = 3;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>The first nameserver of IPv4 in resolv.conf(5); null: there is none.</summary>
    public static IPEndPoint? OfHost(IEnumerable<string> lines) => lines.Select(line => line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
        .Where(words => words is ["nameserver", _, ..]).Select(words => IPAddress.TryParse(words[1], out var address) && address.AddressFamily == AddressFamily.InterNetwork ? new IPEndPoint(address, DnsServer.Port) : null).FirstOrDefault(found => found is not null);

    /// <summary>HOST:PORT, or an address alone; null: neither.</summary>
    public static IPEndPoint? Parse(string text) => IPEndPoint.TryParse(text, out var parsed) && parsed.AddressFamily == AddressFamily.InterNetwork ? new IPEndPoint(parsed.Address, parsed.Port == 0 ? DnsServer.Port : parsed.Port) : null;

    /// <summary>No addresses: there is no such name. Null: the resolver did not answer.</summary>
    public async Task<HostAddresses?> AskAsync(string name, CancellationToken cancellationToken)
    {
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            patience.CancelAfter(Patience);
            ushort id = (ushort)RandomNumberGenerator.GetInt32(65536);
            byte[] query = [(byte)(id >> 8), (byte)id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, .. DnsMessage.Encode(name), 0, 1, 0, 1];
            try
            {
                using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
                await socket.ConnectAsync(resolver, patience.Token);
                await socket.SendAsync(query, patience.Token);
                var buffer = new byte[4096];
                while (true)
                {
                    int length = await socket.ReceiveAsync(buffer, patience.Token);
                    if (length < 12 || BinaryPrimitives.ReadUInt16BigEndian(buffer) != id) continue; // not the answer to this question
                    if ((buffer[2] & 2) == 0) return Read(buffer.AsSpan(0, length), name);
                    return Read(await OverStreamAsync(query, patience.Token), name);
                }
            }
            catch (Exception exception) when (exception is SocketException or IOException or OperationCanceledException)
            {
                cancellationToken.ThrowIfCancellationRequested(); // otherwise it was not there in time: again
            }
        }
        return null;
    }

    private async Task<byte[]> OverStreamAsync(byte[] query, CancellationToken cancellationToken)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(resolver, cancellationToken);
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync((byte[])[(byte)(query.Length >> 8), (byte)query.Length, .. query], cancellationToken);
        var length = new byte[2];
        await stream.ReadExactlyAsync(length, cancellationToken);
        var answer = new byte[BinaryPrimitives.ReadUInt16BigEndian(length)];
        await stream.ReadExactlyAsync(answer, cancellationToken);
        return answer;
    }

    /// <summary>The addresses at the end of the chain of names that begins with the one that was asked for; the shortest lifetime on the way holds for all. Null: no answer that can be read.</summary>
    public static HostAddresses? Read(ReadOnlySpan<byte> bytes, string name)
    {
        if (bytes.Length < 12 || (bytes[2] & 0x80) == 0) return null;
        int code = bytes[3] & 15, at = 12;
        if (code == (int)ResponseCode.NameError) return new HostAddresses([], TimeSpan.Zero);
        if (code != 0 || BinaryPrimitives.ReadUInt16BigEndian(bytes[4..]) != 1 || DnsMessage.Name(bytes, ref at) is not { } asked || !string.Equals(asked, name, StringComparison.OrdinalIgnoreCase)) return null;
        at += 4;
        var (current, seconds, found) = (name, uint.MaxValue, new List<IPAddress>());
        for (int i = 0, count = BinaryPrimitives.ReadUInt16BigEndian(bytes[6..]); i < count; i++)
        {
            if (DnsMessage.Name(bytes, ref at) is not { } owner || bytes.Length < at + 10) return null;
            var type = (RecordType)BinaryPrimitives.ReadUInt16BigEndian(bytes[at..]);
            uint lifetime = BinaryPrimitives.ReadUInt32BigEndian(bytes[(at + 4)..]);
            int length = BinaryPrimitives.ReadUInt16BigEndian(bytes[(at + 8)..]), data = at + 10;
            at = data + length;
            if (at > bytes.Length) return null;
            if (!string.Equals(owner, current, StringComparison.OrdinalIgnoreCase)) continue;
            if (type == RecordType.Cname && DnsMessage.Name(bytes, ref data) is { } target) current = target;
            else if (type == RecordType.A && length == 4) found.Add(new IPAddress(bytes.Slice(data, 4)));
            else continue;
            seconds = Math.Min(seconds, lifetime);
        }
        return new HostAddresses(found, TimeSpan.FromSeconds(found.Count == 0 ? 0 : Math.Min(seconds, 86400)));
    }
}
