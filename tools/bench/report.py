"""Results as a table and as JSON."""
import results as r

UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1, "ns"))


def digits(value):
    """Three digits that count."""
    return f"{value:.0f}" if value >= 99.5 else f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"


def time_text(times):
    if not times:
        return "-"
    scale, unit = next((u for u in UNITS if min(times) >= u[0]), UNITS[-1])
    return f"{digits(min(times) / scale)}..{digits(max(times) / scale)} {unit}"


def ratio_text(ratio):
    return f"{digits(ratio.value)} ({digits(ratio.least)}..{digits(ratio.most)})" if ratio else "-"


def mean_text(ratios):
    mean = r.geometric_mean([ratio.value for ratio in ratios if ratio])
    return digits(mean) if mean else "-"


def aligned(rows):
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        cells = [cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))]
        yield "  ".join(cells).rstrip()


def speed(results, engine, name):
    """How many times faster than TCG."""
    return r.ratio(results.times("tcg", name), results.times(engine, name))


def slowness(results, machine, name):
    """How many times slower than the host."""
    return r.ratio(results.times(machine, name), results.times("native", name))


def table(results, engine, workloads):
    """WORKLOADS: name -> class."""
    yield ["class", "workload", "native", "TCG", engine, f"{engine} vs TCG", f"{engine} vs native"]
    for name, group in workloads.items():
        yield [group, name, *(time_text(results.times(m, name)) for m in ("native", "tcg", engine)),
               ratio_text(speed(results, engine, name)), ratio_text(slowness(results, engine, name))]


def means(results, engine, workloads):
    yield ["class", "geometric means of", f"{engine} vs TCG", f"{engine} vs native", "TCG vs native"]
    groups = list(dict.fromkeys(workloads.values()))
    for group in groups:
        names = [name for name, other in workloads.items() if other == group]
        yield [group, str(len(names)), *mean_cells(results, engine, names)]
    names = [name for name, group in workloads.items() if group != "boot"]
    yield ["all", f"{len(names)} (boot apart)", *mean_cells(results, engine, names)]


def mean_cells(results, engine, names):
    return [mean_text([speed(results, engine, n) for n in names]),
            mean_text([slowness(results, engine, n) for n in names]),
            mean_text([slowness(results, "tcg", n) for n in names])]


def text(results, engines, workloads):
    yield "Times of one iteration: best..worst round. vs TCG: times faster. vs native: times slower. (least..most)"
    for engine in engines:
        yield ""
        yield from aligned(list(table(results, engine, workloads)))
        yield ""
        yield from aligned(list(means(results, engine, workloads)))


def as_json(results, engines, workloads, about):
    def ratio_of(ratio):
        return ratio and vars(ratio)

    def workload(name, group):
        rows = {m: vars(rows[name]) for m, rows in results.rows.items() if name in rows}
        return {"class": group, "machines": rows,
                "faster_than_tcg": {e: ratio_of(speed(results, e, name)) for e in engines},
                "slower_than_native": {m: ratio_of(slowness(results, m, name)) for m in [*engines, "tcg"]}}

    return {**about, "kernels": results.kernels, "clock_errors": results.clock_errors,
            "workloads": {name: workload(name, group) for name, group in workloads.items()},
            "failures": results.failures}
