namespace Eyrie.Microkernel.Tools;

/// <summary>What must hold of the document beyond its form.</summary>
public static class AbiCheck
{
    private const int MaxArguments = 6; // registers of a system call

    public static IEnumerable<string> Problems(AbiDocument abi)
    {
        foreach (var twice in Twice(abi.Calls.Select(call => call.Number))) yield return $"two calls have the number {twice}";
        foreach (var twice in Twice(abi.Errors.Select(error => error.Value))) yield return $"two errors have the value {twice}";
        foreach (var error in abi.Errors.Where(error => error.Value >= 0)) yield return $"the error {error.Name} is not below zero";
        foreach (var set in abi.Enums.Select(set => (set.Name, set.Members)).Concat(abi.Constants.Where(set => set.Name == "StartTag").Select(set => (set.Name, set.Members))))
            foreach (var twice in Twice(set.Members.Select(member => member.Value))) yield return $"two members of {set.Name} have the value {twice}";
        var errors = abi.Errors.Select(error => error.Name).ToHashSet();
        var types = abi.Enums.Select(set => set.Name).Concat(["int", "long"]).ToHashSet();
        foreach (var call in abi.Calls)
        {
            if (call.Number < abi.First || call.Number > abi.Last) yield return $"{call.Name}: the number {call.Number} is not among those reserved";
            if (call.Arguments.Count > MaxArguments) yield return $"{call.Name} has {call.Arguments.Count} arguments; {MaxArguments} registers carry them";
            foreach (var argument in call.Arguments.Where(argument => !types.Contains(argument.Type))) yield return $"{call.Name}: the type {argument.Type} of {argument.Name} is not known";
            foreach (var name in call.Results.SelectMany(result => result.Result.Split(", ")).Where(name => char.IsLetter(name[0]) && !errors.Contains(name))) yield return $"{call.Name}: no error is called {name}";
        }
    }

    private static IEnumerable<int> Twice(IEnumerable<int> values) => values.GroupBy(value => value).Where(same => same.Count() > 1).Select(same => same.Key);
}
