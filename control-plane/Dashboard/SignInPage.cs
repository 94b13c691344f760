namespace Eyrie.ControlPlane.Dashboard;

/// <summary>The one page that is shown without a session. It needs nothing but itself.</summary>
internal static class SignInPage
{
    private const string Frame = """
        <!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Eyrie: sign in</title>
        <style>:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}body{max-width:34rem;margin:18vh auto;padding:0 1rem}code{font-size:1.05em}</style></head>
        <body><main><h1>Eyrie</h1>CONTENT</main></body></html>
        """;

    /// <summary>Posts the token that stands in the address after #; without one says which command prints that address.</summary>
    public static string Ask { get; } = Frame.Replace("CONTENT", """
        <p id="word">This page needs the address that <code>./eyrie dashboard</code> prints.</p>
        <form id="form" method="post" action="/dashboard/sign-in"><input type="hidden" name="token" id="token"></form>
        <script>const t=location.hash.slice(1);if(t){history.replaceState(null,'',location.pathname);document.getElementById('word').textContent='Signing in…';
        document.getElementById('token').value=t;document.getElementById('form').submit()}</script>
        """, StringComparison.Ordinal);

    public static string Refused { get; } = Frame.Replace("CONTENT", "<p>That address is not this cluster's (any more). <code>./eyrie dashboard</code> prints the one that is.</p>", StringComparison.Ordinal);
}
