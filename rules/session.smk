# What surrounds the jobs of a run: its lock, the display in the terminal, and what is said at the end.

DISPLAYS = []  # none, or the one that is drawn in the terminal


def only_looking():
    """Whether what is asked for changes nothing in the run."""
    return set(workflow.dag_settings.targets) == {"status"}


def take_lock():
    """Refuse to start while another process works on this run; who only looks at it needs no lock."""
    if not only_looking():
        try:
            lock_run(RESULTS)
        except InputError as error:
            raise WorkflowError(str(error)) from None


def begin_display():
    """Draw the jobs' progress in the terminal, if there is one."""
    from ccdcgan_workflow.display import start_display

    display = None if only_looking() else start_display(LOGS, STARTED, snakemake_logger)
    if display:
        DISPLAYS.append(display)


def end_display():
    """Give the terminal back."""
    for display in DISPLAYS:
        display.stop()


def show_summary():
    """Print the short summary of a finished run, if this one made it."""
    summary = Path(RESULTS) / "report/summary.txt"
    if summary.exists() and summary.stat().st_mtime >= STARTED:
        print(f"\n{summary.read_text(encoding='utf-8')}", file=sys.stderr)


def show_failure(snakemake_log):
    """Say where the reason of a failure stands and that nothing finished is lost."""
    print(
        f"\nThe run stopped; the reason stands above and in {LOGS}/. Finished results are kept: mend the cause "
        f"and start the same command again.",
        file=sys.stderr,
    )
