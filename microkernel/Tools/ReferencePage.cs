using System.Text;

namespace Eyrie.Microkernel.Tools;

/// <summary>The page that people read: one section a call.</summary>
public static class ReferencePage
{
    public static string Write(AbiDocument abi)
    {
        var text = new StringBuilder($"# The microkernel's ABI, version {abi.Version}\n\nGenerated from `abi.json` by `microkernel/tool abi`; a change belongs there.\n\n");
        text.Append($"A native task enters the kernel with a system call whose number is from {abi.First} to {abi.Last}: number in `rax`, arguments in `rdi`, `rsi`, `rdx`, `r10`, `r8`, `r9`, result in `rax`.\n");
        text.Append("Slots are the task's own numbers for its capabilities. Text, words and descriptors go through the message buffer (`MessageLayout`). The stubs are `Abi/Stubs.cs`.\n");
        text.Append("Every call checks everything before it changes anything: after a result below zero nothing has changed, unless the section says so.\n\n");
        text.Append("## Calls\n");
        foreach (var call in abi.Calls) Section(text, call);
        text.Append("\n## Errors\n\n| value | name | meaning |\n|---|---|---|\n");
        foreach (var error in abi.Errors) text.Append($"| {error.Value} | {error.Name} | {error.Meaning} |\n");
        text.Append("\n## Numbers\n");
        foreach (var set in abi.Enums) Members(text, set.Name, set.Summary, set.Members);
        foreach (var set in abi.Constants) Members(text, set.Name, set.Summary, set.Members);
        return text.ToString();
    }

    private static void Section(StringBuilder text, AbiCall call)
    {
        text.Append($"\n### {call.Name}: {call.Number}\n\n{call.Summary}\n\n");
        if (call.Arguments.Count > 0)
        {
            text.Append("| argument | type | meaning |\n|---|---|---|\n");
            foreach (var argument in call.Arguments) text.Append($"| {argument.Name} | {argument.Type} | {argument.Meaning} |\n");
            text.Append('\n');
        }
        if (call.Payload is not null) text.Append($"Payload: {call.Payload}.\n\n");
        text.Append($"Rights: {GeneratedAbi.Sentence(call.Rights)}\n\n| result | when | what has changed |\n|---|---|---|\n");
        foreach (var result in call.Results) text.Append($"| {result.Result} | {result.Meaning} | {result.After} |\n");
    }

    private static void Members(StringBuilder text, string name, string summary, IReadOnlyList<AbiMember> members)
    {
        text.Append($"\n### {name}\n\n{summary}\n\n| name | value | |\n|---|---|---|\n");
        foreach (var member in members) text.Append($"| {member.Name} | {member.Value} | {member.Summary} |\n");
    }
}
