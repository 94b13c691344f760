using System.Reflection;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Xunit;

namespace Eyrie.Microkernel.Tests;

/// <summary>The checker sees mistakes: the core is compiled once more with one line changed, and the same histories must then differ from the model.</summary>
public sealed class MutantTests
{
    private const int Seed = 1, Histories = 400, Length = 1000;

    public static TheoryData<string, string, string, string> Mistakes() => new()
    {
        { "revoking skips one child", "Kernel.Mapping.cs", "if (Capabilities[at].FirstChild != 0) { at = Capabilities[at].FirstChild; continue; }", "if (Capabilities[at].FirstChild != 0 && Capabilities[Capabilities[at].FirstChild].NextSibling != 0) { at = Capabilities[at].FirstChild; continue; }" },
        { "a mapped capability keeps all rights", "Kernel.Mapping.cs", "Insert(target, destinationSlot, Capabilities[source].Object, rights, source)", "Insert(target, destinationSlot, Capabilities[source].Object, Rights.All, source)" },
        { "rights may grow", "Kernel.Mapping.cs", "if ((rights & ~Capabilities[source].Rights) != 0) return AbiError.MissingRights;", "" },
        { "a derivation is not recorded", "Kernel.Mapping.cs", "if (parent != 0) Adopt(parent, c);", "" },
        { "a slot is not given back", "Kernel.Mapping.cs", "Discharge(Objects[record.Task].Factory, CapabilityCharge);", "" },
        { "a revocation is not told", "Kernel.Mapping.cs", "TMachine.Revoked(task, slot);", "if (slot != 3) TMachine.Revoked(task, slot);" },
        { "an object's charge is not given back", "Kernel.Objects.cs", "Discharge(factory, ObjectCharge + (HasBytes(record.Kind) ? record.A : 0));", "" },
        { "an object is charged to nobody", "Kernel.Objects.cs", "Charge(factory, charge);", "" },
        { "a quota may be so large that its sum overflows", "Kernel.Objects.cs", "a > Objects[factory].A || ", "" },
        { "a dataspace may be so large that its charge overflows", "Kernel.Objects.cs", "if (a > Objects[factory].A) return AbiError.QuotaExhausted;", "" },
        { "a task chooses the host handle of a notification", "Kernel.Objects.cs", "if (HasBytes(kind) || kind is ObjectKind.Gate or ObjectKind.SchedulingContext) record.A = a;", "record.A = a;" },
        { "processes are promised twice", "Kernel.Objects.cs", "Objects[factory].D += b;", "" },
        { "a task that holds itself is buried while it is emptied", "Kernel.Objects.cs", "Hold(task); // it may hold the last capability to itself\n        Empty(task);\n        Drop(task);", "Empty(task);" },
        { "a gate does not keep its server", "Kernel.Objects.cs", "if (server != 0) Objects[server].References++;", "" },
        { "a redirected gate does not keep its server", "Kernel.Objects.cs", "Objects[server].References++;\n        Objects[gate]", "Objects[gate]" },
        { "a redirected gate keeps its former server", "Kernel.Objects.cs", "Drop(before);", "" },
        { "a gate without the right to it is redirected", "Kernel.Objects.cs", "Decode(holder, gateSlot, ObjectKind.Gate, Rights.Control)", "Decode(holder, gateSlot, ObjectKind.Gate, Rights.None)" },
        { "callers of a dead server wait for ever", "Kernel.Ipc.cs", "while (Tasks[thread].FirstOwed is var caller and not 0)", "while (Tasks[thread].FirstOwed is var caller and < 0)" },
        { "queued callers of a dead server wait for ever", "Kernel.Ipc.cs", "while (record.QueueHead != 0)", "while (record.QueueHead < 0)" },
        { "a reply reaches a caller that another server owes", "Kernel.Ipc.cs", "Tasks[caller].Ipc == IpcState.AwaitingReply && Space(Tasks[caller].Server) == Space(server)", "Tasks[caller].Ipc == IpcState.AwaitingReply" },
        { "a reply reaches a later call of the same caller", "Kernel.Ipc.cs", " && HandleOf((int)caller) == handle", "" },
        { "a successor forgets what was charged", "Kernel.Rebuild.cs", "factory.B += ObjectCharge", "factory.B = ObjectCharge" },
        { "a successor forgets what was derived from what", "Kernel.Rebuild.cs", "if (Capabilities[c].Parent is var parent and not 0) Adopt(parent, c);", "if (c < 0) Adopt(c, c);" },
        { "a successor counts who holds an object wrongly", "Kernel.Rebuild.cs", "        Objects[record.Object].References++;", "" },
        { "who runs out of time is not told", "Kernel.Ipc.cs", "TMachine.Resume(thread, AbiError.TimedOut);", "" },
        { "a caller is answered twice", "Kernel.Ipc.cs", "Tasks[caller].Ipc = IpcState.Running;\n        Tasks[caller].Server = 0;\n        TMachine.Resume(caller, result);", "Tasks[caller].Ipc = IpcState.Running;\n        Tasks[caller].Server = 0;\n        TMachine.Resume(caller, result);\n        TMachine.Resume(caller, result);" },
        { "a message gives all rights", "Kernel.Carry.cs", "(Rights)carried.Rights[i], carried.Sources[i]", "Rights.All, carried.Sources[i]" },
        { "rights may grow through a message", "Kernel.Carry.cs", "if (((Rights)rights & ~Capabilities[source].Rights) != 0) return AbiError.MissingRights;", "" },
        { "what may not be mapped may be sent", "Kernel.Carry.cs", "if ((Capabilities[source].Rights & Rights.Map) == 0) return AbiError.MissingRights;", "" },
        { "what a message gave is not revoked with what it was derived from", "Kernel.Carry.cs", "(Rights)carried.Rights[i], carried.Sources[i], brought", "(Rights)carried.Rights[i], 0, brought" },
        { "a message gives its capabilities once more with the next", "Kernel.Carry.cs", "*(uint*)(TMachine.MessageBuffer(sender) + MessageLayout.CapabilityCount) = 0;", "" },
        { "who takes none is given one", "Kernel.Carry.cs", " || *(uint*)(buffer + MessageLayout.TakeCount) < carried.Count", "" },
        { "a slot that is taken is filled", "Kernel.Carry.cs", "if (Find(task, first + i) != 0) return AbiError.NotTaken;", "" },
        { "nobody pays for what a message gives", "Kernel.Carry.cs", "if (!Affords(Objects[task].Factory, carried.Count * CapabilityCharge)) return AbiError.NotTaken;", "" },
        { "what came with a message stays with a receiver that has not taken it", "Kernel.Ipc.cs", "Undo(thread);", "" },
        { "what a receiver has taken goes all the same", "Kernel.Ipc.cs", "Confirm(thread);", "" },
        { "a successor gives half a message", "Kernel.Rebuild.cs", "if (Capabilities[c].Brought) Capabilities[c].Object = 0;", "" },
        { "what was sent one way is owed a reply", "Kernel.Ipc.cs", "Tasks[caller].OneWay ? 0 : HandleOf(caller)", "HandleOf(caller)" },
        { "who sends one way waits for ever", "Kernel.Ipc.cs", "if (Tasks[caller].OneWay) Finish(caller, 0);", "" },
        { "a message that cannot be given holds the others up", "Kernel.Ipc.cs", "if (refused < 0) { Finish(caller, refused); continue; }", "if (refused < 0) { Finish(caller, refused); break; }" },
        { "a reply that cannot be given is lost", "Kernel.Ipc.cs", "if (refused < 0) return refused;\n        Forget(caller);", "Forget(caller);\n        if (refused < 0) { Finish(caller, refused); return refused; }" },
        { "the queue is last in, first out", "Kernel.Ipc.cs", "if (Tasks[server].QueueTail != 0) Tasks[Tasks[server].QueueTail].QueueNext = thread;\n        else Tasks[server].QueueHead = thread;", "Tasks[thread].QueueNext = Tasks[server].QueueHead;\n        Tasks[server].QueueHead = thread;" },
        { "a label is another gate's", "Kernel.Ipc.cs", "Tasks[thread].Label = Objects[gate].A;", "Tasks[thread].Label = Objects[gate].A + 1;" },
        { "a task's threads wait beyond its end", "Kernel.Ipc.cs", "for (int next, thread = Tasks[task].FirstThread; thread != 0; thread = next)", "for (int next, thread = Tasks[task].FirstThread; thread < 0; thread = next)" },
        { "a thread that is deleted waits for ever", "Kernel.Ipc.cs", "if (told) TMachine.Resume(thread, AbiError.Cancelled);", "" },
        { "a thread that has given up waiting is given a message", "Kernel.Ipc.cs", "else if (record.Ipc == IpcState.Receiving) Unlist(ref Tasks[Space(thread)].FirstReceiver, thread);", "" },
        { "callers of a deleted thread wait for ever", "Kernel.Threads.cs", "CancelThread(thread);", "Withdraw(thread);" },
        { "a thread of a task that has ended may call", "Kernel.Ipc.cs", "if (!Tasks[Space(thread)].Alive) return AbiError.Cancelled;", "" },
        { "a thread acts in the space of nobody", "Kernel.Ipc.cs", "int gate = Decode(Space(thread), (int)argument,", "int gate = Decode(thread, (int)argument," },
        { "a thread's memory is charged to nobody", "Kernel.Objects.cs", "a = MessageLayout.Size;", "a = 0;" },
        { "more threads are made than the factory may", "Kernel.Objects.cs", "if (Objects[factory].C - Objects[factory].D < 1) return AbiError.QuotaExhausted;", "" },
        { "a thread is not counted", "Kernel.Objects.cs", "Objects[factory].D++; ", "" },
        { "a thread is not given back", "Kernel.Objects.cs", "if (factory != 0 && record.Kind is ObjectKind.Factory or ObjectKind.Thread)", "if (factory != 0 && record.Kind is ObjectKind.Factory)" },
        { "a thread is made for a task without the right to it", "Kernel.Objects.cs", "server = Decode(holder, (int)b, ObjectKind.Task, Rights.Control);\n                if (server < 0) return server;\n                if (!Tasks", "server = Decode(holder, (int)b, ObjectKind.Task, Rights.None);\n                if (server < 0) return server;\n                if (!Tasks" },
        { "a thread does not let go of its task", "Kernel.Objects.cs", "if (record.Kind is ObjectKind.Gate or ObjectKind.Thread) Drop(record.Link);", "if (record.Kind is ObjectKind.Gate) Drop(record.Link);" },
        { "a successor forgets whose a thread is", "Kernel.Rebuild.cs", "if (record.Kind == ObjectKind.Thread && record.Link != 0 && Tasks[record.Link].Alive) Enter(o, record.Link);", "" },
        { "a successor does not count threads", "Kernel.Rebuild.cs", "record.Kind == ObjectKind.Thread ? 1 : record.C", "record.C" },
    };

    private static string Root => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../.."));

    [Theory]
    [MemberData(nameof(Mistakes))]
    public void A_mistake_in_the_core_is_found(string mistake, string file, string right, string wrong)
    {
        var difference = Assert.Throws<TargetInvocationException>(() => Run(file, right, wrong)).InnerException!;
        Assert.True(difference.GetType().Name is "DiffersException" or "IndexOutOfRangeException", $"{mistake}: {difference}");
    }

    [Fact]
    public void Compiled_the_same_way_the_core_as_it_stands_passes() => Run("Kernel.cs", "", "");

    private static void Run(string file, string right, string wrong)
    {
        var folders = new[] { "microkernel/Abi", "microkernel/Core", "tests/Microkernel.Tests/Checker" };
        var trees = folders.SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Root, folder), "*.cs")).Select(path =>
        {
            var text = File.ReadAllText(path);
            if (Path.GetFileName(path) == file && right.Length > 0)
            {
                Assert.True(text.Split(right).Length == 2, $"{file} must hold this once: {right}");
                text = text.Replace(right, wrong, StringComparison.Ordinal);
            }
            return CSharpSyntaxTree.ParseText(text, new CSharpParseOptions(LanguageVersion.Preview), path);
        });
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(':').Where(path => Path.GetFileName(path).StartsWith("System", StringComparison.Ordinal)).Select(path => MetadataReference.CreateFromFile(path));
        var compilation = CSharpCompilation.Create("Mutant" + Guid.NewGuid().ToString("N"), trees, references,
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true, optimizationLevel: OptimizationLevel.Release, nullableContextOptions: NullableContextOptions.Enable));
        using var image = new MemoryStream();
        var result = compilation.Emit(image);
        Assert.True(result.Success, string.Join('\n', result.Diagnostics.Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error).Take(5)));
        Assembly.Load(image.ToArray()).GetType("Eyrie.Microkernel.Tests.Checker.World")!.GetMethod("Run")!.Invoke(null, [Seed, Histories, Length]);
    }
}
