import { runProgram } from '@finality/service';
import { signerProgram } from './program.ts';

process.exitCode = await runProgram(signerProgram, process.argv.slice(2));
