//! Configured expressions that may call extensions: `EXT('vault', …)`.

use acs_core::expression::{Context, Evaluated, Expression, OutsideAnswers, OutsideCall, Scalar};
use acs_core::script::{ExtensionCall, ScriptFault};
use cwmp::ExtensionCaller;

/// Calls that one expression may make; more is a mistake.
pub const MOST_CALLS: usize = 16;

/// Makes one `EXT()` call.
///
/// # Errors
/// Those of the extension.
pub async fn extension(extensions: &dyn ExtensionCaller, call: &OutsideCall) -> Result<Scalar, ScriptFault> {
    let arguments = call.arguments.iter().map(Scalar::to_json).collect();
    let value = extensions.call(ExtensionCall { arguments }).await?;
    Ok(Scalar::from_json(&value).unwrap_or(Scalar::Null))
}

/// An expression's value, once the extensions that it calls have answered. Other functions of the outside have none here.
///
/// # Errors
/// Those of an extension.
pub async fn evaluate(
    expression: &Expression,
    context: &(dyn Context + Send + Sync),
    extensions: &dyn ExtensionCaller,
) -> Result<Scalar, ScriptFault> {
    let mut answers = OutsideAnswers::default();
    while answers.count() < MOST_CALLS {
        let call = match answers.evaluate(expression, context) {
            Evaluated::Value(value) => return Ok(value),
            Evaluated::Call(call) => call,
        };
        let value = if call.name == "EXT" { extension(extensions, &call).await? } else { Scalar::Null };
        answers.answer(call, value);
    }
    Ok(Scalar::Null)
}
