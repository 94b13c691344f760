using System.Globalization;

namespace Eyrie.ControlPlane.Controllers.Workloads;

/// <summary>Five fields (minute, hour, day of month, month, day of week) with *, lists, ranges, steps and names, or @hourly and the like, in a time zone; or @every and a duration. As robfig/cron has them, which kube-controller-manager uses. Pure.</summary>
public sealed class CronSchedule
{
    private static readonly string[] Months = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], Days = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    private static readonly TimeSpan Horizon = TimeSpan.FromDays(366 * 5);

    private readonly bool[] _minutes = [], _hours = [], _days = [], _months = [], _weekdays = [];
    private readonly bool _anyDay, _anyWeekday;
    private readonly TimeZoneInfo _zone = TimeZoneInfo.Utc;
    private readonly TimeSpan? _every;

    private CronSchedule(TimeSpan every) => _every = every;

    private CronSchedule(string[] fields, TimeZoneInfo zone)
    {
        (_minutes, _hours, _days, _months) = (Field(fields[0], 0, 59, null, 0), Field(fields[1], 0, 23, null, 0), Field(fields[2], 1, 31, null, 0), Field(fields[3], 1, 12, Months, 1));
        _weekdays = Field(fields[4], 0, 6, Days, 0);
        (_anyDay, _anyWeekday, _zone) = (IsAny(fields[2]), IsAny(fields[4]), zone);
    }

    /// <summary>A star with a step is not any.</summary>
    private static bool IsAny(string field) => field.Split(',').Any(part => part is "*" or "?" or "*/1" or "?/1");

    /// <exception cref="FormatException">Says which field is wrong, or that the zone is not known.</exception>
    public static CronSchedule Parse(string schedule, string? zone)
    {
        var expanded = schedule.Trim() switch
        {
            "@yearly" or "@annually" => "0 0 1 1 *", "@monthly" => "0 0 1 * *", "@weekly" => "0 0 * * 0", "@daily" or "@midnight" => "0 0 * * *", "@hourly" => "0 * * * *", var other => other,
        };
        const string Every = "@every ";
        if (expanded.StartsWith(Every, StringComparison.Ordinal)) return new CronSchedule(GoDuration.Parse(expanded[Every.Length..]) is { } every ? TimeSpan.FromSeconds(Math.Max(1, Math.Floor(every.TotalSeconds))) : throw new FormatException($"\"{schedule}\": a duration follows @every, like 90s or 1h30m"));
        var fields = expanded.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length != 5) throw new FormatException($"schedule \"{schedule}\" has {fields.Length} fields; it needs 5: minute, hour, day of month, month, day of week");
        if (!TimeZoneInfo.TryFindSystemTimeZoneById(zone ?? "UTC", out var found)) throw new FormatException($"time zone \"{zone}\" is not known");
        return new CronSchedule(fields, found);
    }

    /// <summary>
    /// The first time after; null: never (February 30th). As time passes, whenever the clocks of the zone show it: what they skip when they are put forward is not run that day, and what they show twice is run
    /// twice, as kube-controller-manager (robfig/cron) has it.
    /// </summary>
    public DateTimeOffset? Next(DateTimeOffset after)
    {
        if (_every is { } every) return new DateTimeOffset(after.UtcTicks - (after.UtcTicks % TimeSpan.TicksPerSecond), TimeSpan.Zero) + every;
        var end = after + Horizon;
        for (var time = new DateTimeOffset(after.UtcTicks - (after.UtcTicks % TimeSpan.TicksPerMinute), TimeSpan.Zero).AddMinutes(1); time < end;)
        {
            var local = TimeZoneInfo.ConvertTime(time, _zone).DateTime;
            if (!_months[local.Month]) time = Begins(new DateTime(local.Year, local.Month, 1).AddMonths(1));
            else if (!Day(local)) time = Begins(local.Date.AddDays(1));
            else if (!_hours[local.Hour]) time = time.AddMinutes(60 - local.Minute);
            else if (!_minutes[local.Minute]) time = time.AddMinutes(1);
            else return time;
        }
        return null;
    }

    /// <summary>When a day begins: where the clocks skip its midnight, when they jump; where they show it twice, the first time.</summary>
    private DateTimeOffset Begins(DateTime day)
    {
        while (_zone.IsInvalidTime(day)) day = day.AddMinutes(1);
        return new DateTimeOffset(day, _zone.IsAmbiguousTime(day) ? _zone.GetAmbiguousTimeOffsets(day).Max() : _zone.GetUtcOffset(day)).ToUniversalTime();
    }

    /// <summary>The latest time after <paramref name="since"/> that has come; null: none has. However many have: each step halves what is left.</summary>
    public DateTimeOffset? Latest(DateTimeOffset since, DateTimeOffset now)
    {
        if (Next(since) is not { } latest || latest > now) return null;
        if (_every is { } every) return latest + (Math.Floor((now - latest) / every) * every);
        for (var end = now; end - latest >= TimeSpan.FromMinutes(1);)
        {
            var middle = latest + ((end - latest) / 2);
            if (Next(middle) is { } next && next <= now) latest = next;
            else end = middle;
        }
        return latest;
    }

    /// <summary>With both day fields given either is enough, as cron has always had it.</summary>
    private bool Day(DateTime local) => _anyDay || _anyWeekday ? _days[local.Day] && _weekdays[(int)local.DayOfWeek] : _days[local.Day] || _weekdays[(int)local.DayOfWeek];

    private static bool[] Field(string text, int least, int most, string[]? names, int firstName)
    {
        var set = new bool[most + 1];
        foreach (var part in text.Split(','))
        {
            var halves = part.Split('/');
            int step = halves.Length == 1 ? 1 : halves.Length == 2 && int.TryParse(halves[1], NumberStyles.None, CultureInfo.InvariantCulture, out int given) && given > 0 ? given : throw Wrong();
            var ends = halves[0] is "*" or "?" ? [least, most] : halves[0].Split('-').Select(Number).ToArray();
            if (ends.Length > 2 || ends[0] > ends[^1]) throw Wrong();
            int last = ends.Length == 1 && halves.Length == 2 ? most : ends[^1];
            for (int i = ends[0]; i <= last; i += step) set[i] = true;

            FormatException Wrong() => new(string.Create(CultureInfo.InvariantCulture, $"\"{part}\" in a schedule: a number from {least} to {most}, a range, *, each with /step"));
            int Number(string word)
            {
                if (names is not null && Array.IndexOf(names, word.ToUpperInvariant()) is >= 0 and var at) return at + firstName;
                return int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= least && number <= most ? number : throw Wrong();
            }
        }
        return set;
    }
}
