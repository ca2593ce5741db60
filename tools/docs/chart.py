"""Draws build/bench.json: how many times opensandbox.h's cost the other clients take, as an SVG."""

import math

OURS = "opensandbox.h"
COLOURS = {"libcurl + cJSON": "#4c78a8", "JavaScript SDK": "#e0a030", "curl": "#72a76b"}
LEFT, RIGHT, TOP, BAR, GAP = 250, 130, 64, 11, 10
WIDTH = 860
LOW, HIGH = 0.5, 20000


def rows_of(result):
    """[(title, {client: ratio to ours})], less being better in each."""
    quick, sequential = result["quickstart"], result["sequential"]["clients"]
    transfers, listed = result["transfers"], result["list"]["clients"]
    events = {row["event_bytes"]: row["clients"] for row in result["events"]}
    chosen = [
        ("create, run, kill: CPU", quick, "cpu_ms"),
        ("create, run, kill: peak memory", quick, "peak_kb"),
        ("create, run, kill: system calls", quick, "syscalls"),
        ("create, run, kill: instructions", quick, "instructions"),
        ("a command: CPU", sequential, "cpu_us"),
        ("a command, server lingers 1 s: time", sequential, "lingering_us"),
        *(
            (f"an event of {size:,} bytes: CPU", clients, "cpu_ns")
            for size, clients in events.items()
        ),
        ("download of 1 GB: CPU", transfers["download"], "cpu_s_per_gb"),
        ("upload of 1 GB: CPU", transfers["upload"], "cpu_s_per_gb"),
        ("list of 10,000: CPU", listed, "cpu_ms"),
        ("list of 10,000: peak memory", listed, "peak_kb"),
    ]
    return [
        (
            title,
            {
                name: values[key] / clients[OURS][key]
                for name, values in clients.items()
                if name != OURS and values.get(key)
            },
        )
        for title, clients, key in chosen
    ]


def x_of(ratio):
    share = math.log(max(LOW, min(HIGH, ratio)) / LOW) / math.log(HIGH / LOW)
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def text(x, y, words, anchor="start", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{words}</text>'


def legend():
    x = LEFT
    yield text(x_of(1), TOP - 30, f"1 = {OURS}", "middle", ' font-weight="bold"')
    x = x_of(1) + 90
    for name, colour in COLOURS.items():
        yield f'<rect x="{x}" y="{TOP - 40}" width="12" height="12" fill="{colour}"/>'
        yield text(x + 17, TOP - 30, name)
        x += 40 + 7 * len(name)


def axis(bottom):
    for power in range(0, 5):
        x = x_of(10**power)
        yield f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{bottom}" stroke="#{"222" if power == 0 else "ddd"}"/>'
        yield text(x, TOP - 12, f"{10 ** power:,}x" if power else "", "middle", ' fill="#777"')


def svg(result):
    parts, y = [], TOP
    for title, ratios in rows_of(result):
        middle = y + len(ratios) * BAR / 2
        parts.append(text(LEFT - 12, middle + 4, title, "end"))
        for name, ratio in ratios.items():
            begin, end = sorted((x_of(1), x_of(ratio)))
            parts.append(
                f'<rect x="{begin:.1f}" y="{y}" width="{end - begin:.1f}" height="{BAR - 1}" '
                f'fill="{COLOURS[name]}"/>'
            )
            shown = (
                f"{ratio:,.0f}x"
                if ratio >= 20
                else f"{ratio:.1f}x" if ratio >= 2 else f"{ratio:.2f}x"
            )
            parts.append(text(max(end, x_of(1)) + 4, y + 9, shown, extra=' font-size="10"'))
            y += BAR
        y += GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 12}" '
        f'viewBox="0 0 {WIDTH} {y + 12}" font-family="sans-serif" font-size="12" fill="#222">'
        f"<title>Cost of other clients, as a multiple of the cost of {OURS}</title>"
        f'<rect width="100%" height="100%" rx="8" fill="#fff"/>'
    )
    return "\n".join([head, *axis(y), *legend(), *parts, "</svg>"]) + "\n"
