"""``tipstaff db …``: the database by itself."""

import os
import signal
import subprocess
import sys
from types import FrameType

import click

from tipstaff.kernel.errors import InputError, Problem
from tipstaff.project import connections, database, environment
from tipstaff.project.state import lock_state


@click.group()
@click.option("--state", type=click.Path(), help="State directory of this instance (or TIPSTAFF_STATE).")
def db(state: str | None) -> None:
    """The database: start it alone, migrate, open a shell, print its address, upgrade it."""
    if state:
        environment.choose_state(state)


@db.command()
@click.option("--state", type=click.Path(), help="State directory of this instance (or TIPSTAFF_STATE).")
@click.option("--migrate/--no-migrate", "migrated", default=True, help="Bring the tables up to date first.")
def start(state: str | None, migrated: bool) -> None:
    """Start the embedded database alone, in the foreground, until Ctrl-C or SIGTERM."""
    from tipstaff.project.postgres import Cluster, make_state

    if state:
        environment.choose_state(state)
    if connections.is_external():
        raise InputError(Problem("DATABASE_URL", "names an external database", "unset it to use the embedded one"))
    signal.signal(signal.SIGTERM, _leave)
    cluster = Cluster(environment.state_directory())
    make_state(cluster.state)
    lock = lock_state(cluster.state)
    try:
        cluster.start()
        if migrated:
            database.setup_django(role="owner")
            database.migrate(verbosity=0)
        click.echo(cluster.url())
        click.echo("ready; Ctrl-C stops it", err=True)
        assert cluster.server is not None
        sys.exit(1 if cluster.server.wait() else 0)
    except KeyboardInterrupt:
        click.echo("stopping", err=True)
    finally:
        cluster.stop()
        lock.release()


def _leave(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@db.command()
@click.option("-v", "--verbose", is_flag=True, help="Name each migration.")
def migrate(verbose: bool) -> None:
    """Apply all migrations as the owner's role, then set the application's rights."""
    database.setup_django(role="owner")
    database.migrate(verbosity=2 if verbose else 1)


@db.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--owner", is_flag=True, help="As the owner's role rather than the application's.")
def shell(arguments: tuple[str, ...], owner: bool) -> None:
    """Open psql on the database; further arguments go to psql (-c "SELECT 1")."""
    from tipstaff.project.postgres import MAJOR, wheel_binaries

    address = connections.owner_url() if owner else connections.app_url()
    psql = wheel_binaries(MAJOR) / "psql"
    os.execv(psql, [str(psql), address, *arguments])  # noqa: S606 - no shell is the point


@db.command()
@click.option("--owner", is_flag=True, help="For the owner's role rather than the application's.")
def url(owner: bool) -> None:
    """Print the database's URL (with its password, if it has one)."""
    click.echo(connections.owner_url() if owner else connections.app_url())


@db.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def django(arguments: tuple[str, ...]) -> None:
    """Run one of Django's management commands (makemigrations, shell, check …)."""
    environment.default_settings_module()
    sys.exit(subprocess.call([sys.executable, "-m", "django", *arguments], env=environment.for_children()))


@db.command()
@click.option("--state", type=click.Path(), help="State directory of this instance (or TIPSTAFF_STATE).")
def upgrade(state: str | None) -> None:
    """Carry the embedded database over to this Tipstaff's PostgreSQL major version; keeps the old files."""
    from tipstaff.faces.cli.progress import shown
    from tipstaff.project.upgrade import upgrade as carry_over

    if state:
        environment.choose_state(state)
    with shown() as progress:
        done = carry_over(environment.state_directory(), progress)
    if done is None:
        click.echo("nothing to do: the database is of this version already")
    else:
        click.echo(f"PostgreSQL {done.before} to {done.after}; the old files are in {done.kept}, delete them when content")
