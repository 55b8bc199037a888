"""What `python main.py --help` shows."""

import ast

from gans_n_roses.errors import BadInput


def describe(path):
    """Every setting with its value and comment, as mission_control.py has them under its headings."""
    try:
        source = path.read_text(encoding='utf-8-sig')
        constants = {node.end_lineno: node for node in ast.parse(source).body
                     if isinstance(node, ast.Assign | ast.AnnAssign)}
    except (OSError, ValueError, SyntaxError) as problem:
        raise BadInput(f'{path} cannot be read: {problem}.') from None
    lines = []
    for number, line in enumerate(source.splitlines(), start=1):
        if number in constants:
            code, comment = line[:constants[number].end_col_offset], line[constants[number].end_col_offset:]
            lines.append(f'  {code:<36}{comment.lstrip(" #")}')
        elif line.startswith('# '):
            lines.append(f'\n{line[2:]}')
    return ('usage: python main.py [NAME=value ...]\n\n'
            f'The settings, kept in {path.name}; NAME=value changes one for this run:\n' + '\n'.join(lines))
