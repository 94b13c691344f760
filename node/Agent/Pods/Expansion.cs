using System.Text;

namespace Eyrie.Node;

/// <summary>References to variables in env, command and args: <c>$(NAME)</c> is its value, <c>$$</c> is one dollar, and what names nothing stays as it stands. Pure.</summary>
public static class Expansion
{
    public static string Expand(string text, Func<string, string?> valueOf)
    {
        var result = new StringBuilder();
        for (int at = 0; at < text.Length;)
        {
            int dollar = text.IndexOf('$', at);
            if (dollar < 0 || dollar + 1 == text.Length) return result.Append(text, at, text.Length - at).ToString();
            result.Append(text, at, dollar - at);
            at = dollar + 2;
            if (text[dollar + 1] == '$') result.Append('$');
            else if (text[dollar + 1] == '(' && text.IndexOf(')', at) is >= 0 and var end)
            {
                result.Append(valueOf(text[at..end]) ?? text[dollar..(end + 1)]);
                at = end + 1;
            }
            else result.Append('$').Append(text[dollar + 1]);
        }
        return result.ToString();
    }
}
