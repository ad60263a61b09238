import { runProgram } from '@finality/service';
import { settlementProgram } from './program.ts';

process.exitCode = await runProgram(settlementProgram, process.argv.slice(2));
