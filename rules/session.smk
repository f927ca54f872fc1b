# The frame of a run: checks before the first job, the lock, the display in the terminal, messages at the end.

DISPLAYS = []  # the display in the terminal, if there is one


def changes_nothing():
    """Whether the requested targets change nothing in the run."""
    targets = set(workflow.dag_settings.targets)
    return bool(targets) and targets <= {"status", "costs", "estimate", "show_config"}


def announce():
    """Print which finished results are made again because a setting or the code changed; at the end of a dry run."""
    made = record.read_record(RESULTS)
    if IS_MODULE and not workflow.dryrun:  # Snakemake does not execute the onstart of a module
        write_record()
    line = announcement.announcement(
        RESULTS,
        announcement.made_again(workflow.dag, dict.fromkeys(Path(rule.snakefile).stem for rule in workflow.rules)),
        record.changed_settings(made, config) if made else {},
        command_line.with_settings(ARGUMENTS, {"run": names.free_name(RUN)}),
    )
    if line and command_line.is_dry_run(ARGUMENTS):
        atexit.register(print, f"\n{line}", file=sys.stderr)
    elif line:
        print(f"\n{line}\n", file=sys.stderr)


def announce_when_planned():
    """Prepare the announcement, which needs the graph of jobs."""
    if workflow.is_main_process:
        snakemake_logger.addHandler(announcement.Planned(announce))


def write_record():
    """Record what this run is made for in its folder."""
    if not changes_nothing():
        versions = {"workflow": describe_checkout(CHECKOUT)} | describe_versions()
        record.write_record(RESULTS, SYSTEM, config | {"run": RUN}, versions)


def warn_of_potcar_library():
    """Print in a dry run that the run itself would be refused."""
    if settings.uses_vasp(config) and command_line.is_dry_run(ARGUMENTS):
        from ccdcgan.relaxation.dft.potcars import check_vasp_inputs, potcar_folder

        section = config["relaxation"]["vasp"]
        try:
            check_vasp_inputs(section["incar"], section["potcar_functional"])
            if settings.needs_potcars(config):
                potcar_folder(section["potcar_functional"])
        except InputError as error:
            say(f"This run would not start: {error}")


def check_potcar_library():
    """Refuse to submit the first job with wrong inputs of VASP or without a POTCAR; VASP may be on the nodes only."""
    if settings.uses_vasp(config):
        from ccdcgan.relaxation.dft.potcars import check_potcars, check_vasp_inputs

        section = config["relaxation"]["vasp"]
        try:
            check_vasp_inputs(section["incar"], section["potcar_functional"])
            if settings.needs_potcars(config):
                check_potcars(set(ELEMENTS), section["potcar"], section["potcar_functional"])
        except InputError as error:
            raise WorkflowError(str(error)) from None


def say(sentence):
    """Print a sentence; at the end of a dry run, below the long list of jobs."""
    if command_line.is_dry_run(ARGUMENTS):
        atexit.register(print, f"\n{sentence}", file=sys.stderr)
    else:
        print(sentence, file=sys.stderr)


def warn_of_settings():
    """Print which keys were given under earlier names, and which sections have no effect in this run."""
    if workflow.is_main_process:
        said = [f"Warning: {renaming.sentence()}" for layer in LAYERS for renaming in layer.renamed]
        said.append(unused.unused_sections(LAYERS, config, DEFAULTS))
        if any(said):
            say("\n".join(filter(None, said)))


def check_command():
    """Refuse what is known to fail before the first job: unknown targets, missing files, a missing package or GPU."""
    asked, resources = workflow.dag_settings, workflow.resource_settings
    targets = [rule.name for rule in workflow.rules if not rule.output or rule.name == "status"]
    others = [rule.name for rule in workflow.rules if rule.name not in targets]
    local = commands.is_local(ARGUMENTS, os.environ.get("SNAKEMAKE_PROFILE"))
    try:
        commands.check_cores(resources.cores, resources.nodes)
        commands.check_targets(
            [*asked.targets, *asked.until, *asked.omit_from, *asked.forcerun],
            [*targets, *others],
            lambda path: any(rule.is_producer(path) for rule in workflow.rules),
            RUN,
        )
        if changes_nothing():
            return
        for error in (*surroundings.missing_inputs(config), *surroundings.missing_potential(config, local)):
            raise InputError(f"{error} Nothing was started. Finished results are kept.")
        if surroundings.test_potential(config):
            say(surroundings.test_potential(config))
        for error in surroundings.missing_installation(config):
            if not command_line.is_dry_run(ARGUMENTS):
                raise error
            say(f"This run would not start: {error}")
        earlier_candidates()
        other_summaries(None)
    except (InputError, WorkflowError) as error:
        snakemake_logger.error(str(error))
        sys.exit(1)  # a WorkflowError would be followed by the lines of code of its traceback


def check_command_when_known():
    """Prepare the check of the command, whose targets are not known while the rules are read."""
    if workflow.is_main_process:
        known = lambda: workflow.dag_settings is not None
        snakemake_logger.addHandler(commands.Beginning(known, check_command))


def take_lock():
    """Refuse to start while another process works on this run; targets that change nothing need no lock."""
    if not changes_nothing():
        try:
            lock_run(RESULTS)
        except InputError as error:
            raise WorkflowError(str(error)) from None


def begin_display():
    """Show the progress of the jobs in the terminal, if there is one."""
    from ccdcgan_workflow.display import start_display

    display = None if changes_nothing() else start_display(LOGS, STARTED, snakemake_logger)
    if display:
        DISPLAYS.append(display)


def end_display():
    """Release the terminal."""
    for display in DISPLAYS:
        display.stop()


def show_summary():
    """Print the short summary of a run that has just finished."""
    summary = Path(RESULTS) / "report/summary.txt"
    if summary.exists() and summary.stat().st_mtime >= STARTED:
        print(f"\n{summary.read_text(encoding='utf-8')}", file=sys.stderr)


def show_failure(snakemake_log):
    """Print where to find the reason of a failure, and that finished results are kept."""
    if code_state.code_changed():
        print(f"\n{code_state.code_sentence()}", file=sys.stderr)
    print(
        f"\nThe run stopped; see the message above and the files in {LOGS}/. Finished results are kept: fix the cause "
        f"and start the same command again.",
        file=sys.stderr,
    )
