using System.Text;
using System.Text.RegularExpressions;

namespace Eyrie.Microkernel.Tools;

/// <summary>What a program in a container needs of the ABI, for C: the numbers of the call Gate, its message, and a function that enters the kernel.</summary>
public static partial class HeaderFile
{
    public static string Write(AbiDocument abi)
    {
        var gate = abi.Calls.Single(call => call.Name == "Gate");
        var text = new StringBuilder(GeneratedAbi.Notice).Append("// Sessions between containers; microkernel/GATES.md says how they are used.\n#ifndef EYRIE_GATE_H\n#define EYRIE_GATE_H\n#include <errno.h>\n#include <stdint.h>\n#include <unistd.h>\n\n");
        text.Append($"#define EYRIE_GATE {gate.Number}\n");
        foreach (var member in abi.Enums.Single(set => set.Name == "GateOperation").Members) text.Append($"#define EYRIE_GATE_{Upper(member.Name)} {member.Value}\n");
        text.Append('\n');
        var layout = abi.Constants.Single(set => set.Name == "GateMessage").Members.ToDictionary(member => member.Name, member => member.Value);
        text.Append($"#define EYRIE_GATE_MAX_WORDS {layout["MaxWords"]}\n#define EYRIE_GATE_MAX_PAYLOAD {layout["MaxPayload"]}\n\n");
        var known = gate.Results.SelectMany(result => result.Result.Split(", ")).ToHashSet();
        foreach (var error in abi.Errors.Where(error => known.Contains(error.Name))) text.Append($"#define EYRIE_{Upper(error.Name)} ({error.Value}) // {error.Meaning}\n");
        return text.Append("""

            struct eyrie_gate_message {
                uint32_t word_count, payload_length;
                uint64_t label, caller;
                uint64_t words[EYRIE_GATE_MAX_WORDS];
                unsigned char payload[EYRIE_GATE_MAX_PAYLOAD];
            };

            // 0 or more, or one of the errors; -ENOSYS where no Eyrie is.
            static inline long eyrie_gate(int operation, uint64_t argument, uint64_t timeout_microseconds, struct eyrie_gate_message *message)
            {
                long result = syscall(EYRIE_GATE, operation, argument, timeout_microseconds, message);
                return result == -1 ? -errno : result;
            }

            #endif

            """.ReplaceLineEndings("\n")).ToString();
    }

    private static string Upper(string name) => Inner().Replace(name, "_$0").ToUpperInvariant();

    [GeneratedRegex("(?<=[a-z])[A-Z]")]
    private static partial Regex Inner();
}
