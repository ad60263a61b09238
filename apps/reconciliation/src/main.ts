import { runProgram } from '@finality/service';
import { reconciliationProgram } from './program.ts';

process.exitCode = await runProgram(reconciliationProgram, process.argv.slice(2));
