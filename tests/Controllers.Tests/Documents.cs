using System.Text.Json.Nodes;

namespace Eyrie.Controllers.Tests;

/// <summary>Documents as the store holds them, with no more fields than a rule reads.</summary>
public static class Documents
{
    public static JsonObject Json(string text) => JsonNode.Parse(text)!.AsObject();

    public static JsonObject Service(string name, string ports = """[{"port":80,"targetPort":8080,"protocol":"TCP"}]""") => Json($$$"""
        {"apiVersion":"v1","kind":"Service","metadata":{"name":"{{{name}}}","namespace":"default","uid":"uid-{{{name}}}"},"spec":{"selector":{"app":"{{{name}}}"},"clusterIP":"127.64.0.9","ports":{{{ports}}}}}
        """);

    public static JsonObject Pod(string name, string app, string address, bool ready = true, bool deleted = false, string containers = "[]") => Json($$$"""
        {"apiVersion":"v1","kind":"Pod","metadata":{"name":"{{{name}}}","namespace":"default","uid":"uid-{{{name}}}","labels":{"app":"{{{app}}}"}{{{(deleted ? ""","deletionTimestamp":"2026-01-01T00:00:00Z" """ : "")}}}},
         "spec":{"nodeName":"node-0","containers":{{{containers}}}},
         "status":{"phase":"Running","podIP":"{{{address}}}","conditions":[{"type":"Ready","status":"{{{(ready ? "True" : "False")}}}"}]}}
        """);
}
