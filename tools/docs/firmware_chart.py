"""Shows build/firmware.json, what the firmware images need by part: as tables and as an SVG."""

COLOURS = {
    "library": "#d1495b",
    "lwIP": "#4c78a8",
    "TLS": "#e0a030",
    "stack": "#72a76b",
    "C library": "#9c8bb4",
    "application and board": "#a0a0a0",
}
LEFT, RIGHT, TOP, BAR, GAP = 250, 90, 54, 22, 14
WIDTH = 860


def kilobytes(size):
    return f"{size / 1024:.1f}"


def text(x, y, words, anchor="start", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{words}</text>'


def legend():
    x = LEFT
    for part, colour in COLOURS.items():
        yield f'<rect x="{x}" y="14" width="12" height="12" fill="{colour}"/>'
        yield text(x + 17, 24, part)
        x += 36 + 6.6 * len(part)


def bar(y, parts, scale):
    """The parts of one image side by side, each with its size where it has room."""
    x = LEFT
    for part, colour in COLOURS.items():
        width = parts.get(part, 0) * scale
        yield f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"/>'
        if width > 20:
            yield text(x + width / 2, y + BAR / 2 + 4, kilobytes(parts[part]), "middle",
                       ' fill="#fff"')
        x += width
    yield text(x + 6, y + BAR / 2 + 4, f"{kilobytes(sum(parts.values()))} KB", extra=' font-weight="bold"')


def panel(y, title, kind, results):
    """Returns the panel's lines, and where it ends."""
    scale = (WIDTH - LEFT - RIGHT) / max(result[f"{kind}_total"] for result in results)
    lines = [text(LEFT, y + 4, title, extra=' font-weight="bold" font-size="14"')]
    y += GAP
    for result in results:
        lines.append(text(LEFT - 12, y + BAR / 2 + 4, result["what"], "end"))
        lines += bar(y, result[kind], scale)
        y += BAR + GAP / 2
    return lines, y + GAP


def svg(results):
    ram, y = panel(TOP, "RAM: KB in all, the stack as it is reserved", "ram", results)
    flash, y = panel(y + GAP, "Flash: KB", "flash", results)
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y:.0f}" '
            f'viewBox="0 0 {WIDTH} {y:.0f}" font-family="sans-serif" font-size="12" fill="#222">'
            f'<title>RAM and flash of the firmware images by part</title>'
            f'<rect width="100%" height="100%" rx="8" fill="#fff"/>')
    return "\n".join([head, *legend(), *ram, *flash, "</svg>"]) + "\n"


def table(heads, rows):
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def ram_row(result):
    ram, measured = result["ram"], result["measured"]
    stack = f"{ram['stack']:,} ({measured['stack_peak_bytes']:,} used)"
    tls = f"{ram['TLS']:,} ({measured['tls_arena_peak_bytes']:,} of the arena used)" if "TLS" in ram else ""
    return [result["what"], f"**{result['ram_total']:,}**", f"{ram['library']:,}", f"{ram['lwIP']:,}",
            tls, stack, f"{ram['application and board']:,}"]


def flash_row(result):
    flash = result["flash"]
    return [result["what"], f"**{result['flash_total']:,}**",
            *(f"{flash[part]:,}" if part in flash else ""
              for part in ("library", "lwIP", "TLS", "C library", "application and board"))]


def handshake_rows(results):
    for result in results:
        measured = result["measured"]
        for kind, name in (("whole", "first"), ("resumed", "resumed")):
            if f"tls_{kind}_instructions" in measured:
                yield [f"{result['what']}: {name}", f"{measured[f'tls_{kind}_instructions']:,}",
                       f"{measured[f'tls_{kind}_step_instructions']:,}", f"{measured[f'tls_{kind}_ms']:,}"]


def tables(results):
    polls = [result for result in results if "poll_instructions" in result["measured"]]
    share = results[0]["ram"]["library"] + results[0]["measured"]["stack_peak_bytes"]
    return "\n".join([
        table(["RAM, bytes", "in all", "library", "lwIP", "TLS", "stack", "rest"],
              map(ram_row, results)),
        table(["flash, bytes", "in all", "library", "lwIP", "TLS", "C library", "rest"],
              map(flash_row, results)),
        table(["TLS handshake", "instructions", "longest step", "ms at 31 MIPS"],
              handshake_rows(results)),
        f"The library's own share of the first image's RAM, with client, sandbox, buffer, port and the whole stack: "
        f"{share:,} bytes.\n" + "".join(
            f"The longest `osb_poll` of \"{result['what']}\", of any kind: "
            f"{result['measured']['poll_instructions']:,} instructions.\n" for result in polls)])
