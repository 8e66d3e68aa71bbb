//! The functions that ask the clock and the dice. They are called as the language's own, and ask [`seams`] instead of the machine.

use vrl::compiler::prelude::*;

use crate::transforms::program::seams;

/// All of them.
pub fn all() -> Vec<Box<dyn Function>> {
    vec![
        Box::new(Own { name: "now", parameters: &[], kind: kind::TIMESTAMP, ask: Ask::Now }),
        Box::new(Own { name: "random_bool", parameters: &[], kind: kind::BOOLEAN, ask: Ask::Bool }),
        Box::new(Own { name: "random_float", parameters: FLOATS, kind: kind::FLOAT, ask: Ask::Float }),
        Box::new(Own { name: "random_int", parameters: INTEGERS, kind: kind::INTEGER, ask: Ask::Int }),
        Box::new(Own { name: "uuid_v4", parameters: &[], kind: kind::BYTES, ask: Ask::Uuid }),
    ]
}

const FLOATS: &[Parameter] = &[
    Parameter::required("min", kind::FLOAT, "The smallest number."),
    Parameter::required("max", kind::FLOAT, "More than the largest number."),
];

const INTEGERS: &[Parameter] = &[
    Parameter::required("min", kind::INTEGER, "The smallest number."),
    Parameter::required("max", kind::INTEGER, "More than the largest number."),
];

/// A function as it is called.
#[derive(Clone, Copy, Debug)]
struct Own {
    name: &'static str,
    parameters: &'static [Parameter],
    kind: u16,
    ask: Ask,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Now,
    Bool,
    Float,
    Int,
    Uuid,
}

impl Function for Own {
    fn identifier(&self) -> &'static str {
        self.name
    }

    fn usage(&self) -> &'static str {
        "Asks the clock or the dice of the pipeline."
    }

    fn category(&self) -> &'static str {
        Category::Random.as_ref()
    }

    fn return_kind(&self) -> u16 {
        self.kind
    }

    fn parameters(&self) -> &'static [Parameter] {
        self.parameters
    }

    fn examples(&self) -> &'static [Example] {
        &[]
    }

    fn compile(&self, _: &TypeState, _: &mut FunctionCompileContext, arguments: ArgumentList) -> Compiled {
        let bounds = self.parameters.iter().map(|parameter| arguments.required(parameter.keyword)).collect();
        Ok(Call { ask: self.ask, bounds }.as_expr())
    }
}

/// A call of one.
#[derive(Clone, Debug)]
struct Call {
    ask: Ask,
    /// The smallest, and what is more than the largest.
    bounds: Vec<Box<dyn Expression>>,
}

impl Call {
    fn bound(&self, number: usize, context: &mut Context) -> Resolved {
        match self.bounds.get(number) {
            Some(bound) => bound.resolve(context),
            None => Err("a bound is missing".into()),
        }
    }

    fn float(min: f64, max: f64) -> Resolved {
        let number = min + seams::fraction() * (max - min);
        if min < max && number.is_finite() {
            // Rounding can make it the bound itself.
            Ok(Value::from_f64_or_zero(if number < max { number } else { min }))
        } else {
            Err("`max` must be more than `min`".into())
        }
    }

    fn integer(min: i64, max: i64) -> Resolved {
        let span = max.checked_sub(min).and_then(|span| u64::try_from(span).ok()).filter(|span| *span > 0);
        let Some(span) = span else { return Err("`max` must be more than `min`, by less than 2^63".into()) };
        Ok(Value::Integer(min.saturating_add_unsigned(seams::next_u64() % span)))
    }
}

impl FunctionExpression for Call {
    fn resolve(&self, context: &mut Context) -> Resolved {
        match self.ask {
            Ask::Now => Ok(Value::Timestamp(seams::now().into())),
            Ask::Bool => Ok(Value::Boolean(seams::next_u64() & 1 == 1)),
            Ask::Uuid => Ok(Value::from(seams::uuid())),
            Ask::Float => {
                let (min, max) = (self.bound(0, context)?, self.bound(1, context)?);
                Self::float(min.try_float()?, max.try_float()?)
            }
            Ask::Int => {
                let (min, max) = (self.bound(0, context)?, self.bound(1, context)?);
                Self::integer(min.try_integer()?, max.try_integer()?)
            }
        }
    }

    fn type_def(&self, _: &TypeState) -> TypeDef {
        match self.ask {
            Ask::Now => TypeDef::timestamp(),
            Ask::Bool => TypeDef::boolean(),
            Ask::Uuid => TypeDef::bytes(),
            Ask::Float => TypeDef::float().fallible(),
            Ask::Int => TypeDef::integer().fallible(),
        }
    }
}
